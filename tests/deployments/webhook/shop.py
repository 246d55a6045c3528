"""An application's repository that people push to, for the dispatcher's tests and the benchmark."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TRIGGERS = """\
pipeline: shop
environments:
  feature:
    hosts: feature
    branches: [feature/*, main]
    triggers: {events: push, comments: ana}
  staging:
    hosts: staging
    branches: main
    triggers: {events: [push, merge], comments: ana}
  prod:
    hosts: prod
    tags: v*
    triggers: {events: tag, comments: ana}
"""
_PERSON = {
    "GIT_AUTHOR_NAME": "Ana Mora",
    "GIT_AUTHOR_EMAIL": "ana@example.com",
    "GIT_COMMITTER_NAME": "Ana Mora",
    "GIT_COMMITTER_EMAIL": "ana@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


@dataclass(frozen=True)
class Shop:
    """A repository with one branch, `main`.

    Attributes:
        folder: Its work tree.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path, pipeline: str = TRIGGERS) -> Shop:
        """Make it, with a pipeline on `main`."""
        folder.mkdir(parents=True)
        shop = cls(folder)
        shop.git("init", "--quiet", "--initial-branch=main")
        shop.commit(pipeline)
        return shop

    def git(self, *arguments: str, text: str = "") -> str:
        """Run git; return what it printed."""
        done = subprocess.run(
            ("git", *arguments), cwd=self.folder, env={**os.environ, **_PERSON}, input=text,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, pipeline: str = "") -> str:
        """Commit, with another pipeline where one is given; return the commit."""
        if pipeline:
            (self.folder / "pipeline.yaml").write_text(pipeline)
            self.git("add", "pipeline.yaml")
        self.git("commit", "--quiet", "--allow-empty", "--message=Change")
        return self.git("rev-parse", "HEAD")

    def tag(self, name: str) -> str:
        """Make an annotated tag on the head; return the commit."""
        self.git("tag", "--annotate", "--message", name, name)
        return self.git("rev-parse", "HEAD")

    def commits(self, refs: Sequence[str]) -> dict[str, str]:
        """Give each ref a commit of its own, quickly; return ref → commit."""
        tree, parent = self.git("rev-parse", "HEAD^{tree}"), self.git("rev-parse", "HEAD")
        stream = "".join(
            f"commit {ref}\ncommitter Ana <ana@example.com> {1764100000 + number} +0000\n"
            f"data 1\nx\nfrom {parent}\n\n"
            for number, ref in enumerate(refs)
        )
        assert tree
        self.git("fast-import", "--quiet", "--force", text=stream)
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        at = dict(line.split() for line in lines)
        return {ref: at[ref] for ref in refs}
