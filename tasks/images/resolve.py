"""From what was asked for to a commit, its pipeline and what git knows of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.resolved import Resolved
from tasks.kernel.errors import TerminalError
from tasks.steps.step import fact, log

if TYPE_CHECKING:
    from tasks.git.mirror import GitMirror


@fact("fetch")
def fetch(mirror: GitMirror, *, hurried: bool = False) -> None:
    """Bring the repository's mirror up to date.

    Running it twice is safe: a second fetch finds nothing new.

    Args:
        hurried: True where what was fetched last will do: nobody waits for long then.
    """
    mirror.fetch(hurried=hurried)


def read_policy(mirror: GitMirror, default_branch: str, path: str) -> str:
    """Read pipeline.yaml from the default branch."""
    head = mirror.resolve(f"refs/heads/{default_branch}")
    text = mirror.read_file(head.sha, path)
    if text is None:
        raise TerminalError(
            f"{path} is missing on branch {default_branch} of {mirror.public_url}",
            "add it there; `docs/pipeline.md` describes it",
        )
    return text


@fact("resolve")
def resolve(mirror: GitMirror, *, ref: str, path: str, policy_text: str) -> Resolved:
    """Find the commit a ref stands for, and what git says about it.

    Running it twice is safe: it only reads.
    """
    found = mirror.resolve(ref)
    commit = mirror.commit(found.sha)
    log().info("%s %s is commit %s: %s", found.kind, found.name, commit.short, commit.subject)
    return Resolved(
        kind=found.kind,
        name=found.name,
        commit=commit,
        tree=mirror.tree(found.sha),
        tags_at_commit=tuple(mirror.tags_at(found.sha)),
        branches_containing=tuple(mirror.branches_containing(found.sha)),
        policy_text=policy_text,
        release_text=mirror.read_file(found.sha, path) or "",
    )
