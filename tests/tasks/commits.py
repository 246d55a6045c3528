"""A commit as a stranger wrote it, read and built on the control machine as a promotion does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from blocks.pipeline import load_pipeline
from flows.core.describe import describe_commit
from tasks.git.mirror import GitMirror
from tasks.images.build import build
from tasks.images.commands.bake import group_targets
from tasks.images.sources import Sources, check_out
from tasks.steps.run import Run
from tests.lab.repository import Repository
from tests.samples.runs import run_of

PIPELINE = """
pipeline: shop
registry: main
environments:
  prod: {hosts: [prod], branches: [main]}
"""
EVE = {"NAME": "Eve", "EMAIL": "eve@example.com"}


@dataclass(frozen=True)
class Commit:
    """A commit, and where it is read.

    Attributes:
        run: What reads it.
        sha: Its id.
    """

    run: Run
    sha: str

    def read(self, *, with_bake: bool = True) -> Sources:
        """Describe the commit and have compose read it: what `sluice plan` does as well."""
        described = describe_commit(self.run.mirror, self.run.description, self.sha)
        return check_out.fn(self.run, described=described, with_bake=with_bake)

    def build(self, sources: Sources) -> tuple[str, ...]:
        """Build its images into the local engine and return their names."""
        targets = group_targets(sources.bake, sources.config)
        without_journal = cast("Any", build.fn).__wrapped__
        without_journal(self.run, sources=sources, targets=targets, labels={})
        return tuple(f"{self.run.registry_prefix}/shop/{target.path}:{self.sha}" for target in targets)


def commit(
    folder: Path,
    files: Mapping[str, str],
    *,
    links: Mapping[str, str] | None = None,
    programs: Mapping[str, str] | None = None,
    pipeline: str = PIPELINE,
) -> Commit:
    """Commit files to a repository of its own.

    Args:
        folder: An empty folder for the repository and all that is made of it.
        files: Path → text.
        links: Path → what a symbolic link leads to.
        programs: Path → text of files that may be run.
        pipeline: The pipeline.yaml it is promoted by.
    """
    repository = Repository(folder / "repository", EVE)
    work = repository.path
    for name, text in {**files, **(programs or {})}.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name in (programs or {}) else 0o644)
    for name, target in (links or {}).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).symlink_to(target)

    # What a `.gitignore` of the commit names is in it as well.
    repository.git("add", "--all", "--force")
    sha = repository.commit("x")
    mirror = GitMirror(str(work), folder / "mirror.git")
    mirror.fetch()
    known = {
        "mirror": mirror,
        "work": folder / "work",
        "registry_prefix": "registry.test",
    }
    return Commit(run_of(load_pipeline(pipeline, "pipeline.yaml"), **known), sha)
