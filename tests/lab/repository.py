"""A git repository that a team works in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# Neither the machine's nor the person's configuration decides how these repositories behave.
GIT_ENVIRONMENT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
ANA = {"NAME": "Ana Mora", "EMAIL": "ana@example.com"}


def git(folder: Path, *arguments: str, who: Mapping[str, str] | None = None, text: str = "") -> str:
    """Run git in a folder, apart from any configuration outside it.

    Args:
        folder: Where to run it.
        *arguments: What git is given.
        who: The author's `NAME`, `EMAIL` and, where commits are to have the same ids each time, `DATE`; whom the
            repository's own configuration names when None.
        text: Its standard input.

    Returns:
        Its standard output without surrounding white space.

    Raises:
        RuntimeError: Git failed; the message holds what it said.
    """
    # A hook or a test runner inside another repository exports GIT_DIR and its kin.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    roles = ("AUTHOR", "COMMITTER")
    person = {f"GIT_{role}_{what}": value for role in roles for what, value in (who or {}).items()}
    done = subprocess.run(
        ("git", *arguments),
        cwd=folder,
        env=inherited | GIT_ENVIRONMENT | person,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"git {' '.join(arguments)} in {folder} failed: {done.stderr or done.stdout}")
    return done.stdout.strip()


class Repository:
    """A repository with one branch, `main`.

    Attributes:
        path: Its work tree.
        who: Who commits.
    """

    def __init__(self, path: Path, who: Mapping[str, str] = ANA) -> None:
        self.path = path
        self.who = who
        path.mkdir(parents=True)
        # Without the template's hooks, which nobody here uses.
        self.git("init", "--quiet", "--initial-branch=main", "--template=")

    @classmethod
    def with_pipeline(cls, path: Path, pipeline: str) -> Repository:
        """Make one whose first commit is a pipeline."""
        made = cls(path)
        made.change_pipeline(pipeline)
        return made

    @property
    def head(self) -> str:
        """The full id of the commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str, text: str = "") -> str:
        """Run git in it; return what it printed."""
        return git(self.path, *arguments, who=self.who, text=text)

    def commit(self, message: str = "Change", **files: str) -> str:
        """Commit files (`__` in a name stands for a slash) and return the commit's id."""
        for name, text in files.items():
            path = self.path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head

    def change_pipeline(self, text: str) -> str:
        """Commit another pipeline; return the commit's id."""
        return self.commit("Change the pipeline", **{"pipeline.yaml": text})

    def commit_by(self, name: str, email: str, message: str) -> str:
        """Commit nothing, written by somebody else or by nobody; return the commit's id."""
        tree, parent = self.git("rev-parse", "HEAD^{tree}", "HEAD").split()
        who = f"{name} <{email}> 1764320000 +0000"
        text = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{message}\n"
        sha = self.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", text=text)
        self.git("reset", "--quiet", "--soft", sha)
        return sha

    def commits_of(self, name: str, email: str, count: int) -> None:
        """Commit nothing, many times."""
        made = "".join(
            f"commit refs/heads/main\ncommitter {name} <{email}> {1764320000 + number} +0000\ndata 1\nx\n"
            + ("from refs/heads/main^0\n" if number == 0 else "")
            for number in range(count)
        )
        self.git("fast-import", "--quiet", text=made)

    def commits(self, refs: Sequence[str]) -> dict[str, str]:
        """Give each ref a commit of its own, quickly; return ref → commit."""
        parent = self.head
        stream = "".join(
            f"commit {ref}\ncommitter Ana <ana@example.com> {1764100000 + number} +0000\n"
            f"data 1\nx\nfrom {parent}\n\n"
            for number, ref in enumerate(refs)
        )
        self.git("fast-import", "--quiet", "--force", text=stream)
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        at = dict(line.split() for line in lines)
        return {ref: at[ref] for ref in refs}

    def tag(self, name: str) -> str:
        """Make an annotated tag on the head; return the commit."""
        self.git("tag", "--annotate", "--message", name, name)
        return self.head
