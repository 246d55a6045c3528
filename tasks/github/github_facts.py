"""What GitHub says about a commit, read as the gates need it. Nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.github import GitHubFacts, PullRequestFact
from tasks.steps.step import fact, log

if TYPE_CHECKING:
    from blocks.pipeline import Gates
    from tasks.kernel.protocols import GitHubReader


@fact("read github")
def read_github(github: GitHubReader, *, sha: str, branch: str, gates: Gates) -> GitHubFacts:
    """Read what the gates of one environment ask of GitHub, and no more.

    Running it twice is safe: it only reads.
    """
    found = facts_of(github, sha=sha, branch=branch, gates=gates)
    counted = ((found.checks, "checks"), (found.pulls, "pull requests"))
    told = [f"{len(some)} {name}" for some, name in counted if some is not None]
    told += [f"the rules of {branch}"] if found.protection is not None else []
    log().info("GitHub reports on commit %s: %s", sha[:7], ", ".join(told))
    return found


@fact("read reviews")
def read_reviews(github: GitHubReader, *, sha: str) -> tuple[PullRequestFact, ...]:
    """Read the pull requests a commit belongs to, with their reviews.

    Running it twice is safe: it only reads.
    """
    return _reviewed_pulls(github, sha)


def facts_of(github: GitHubReader, *, sha: str, branch: str, gates: Gates) -> GitHubFacts:
    """Read the same without a flow around it."""
    return GitHubFacts(
        checks=github.checks(sha) if gates.checks or gates.branch_checks else None,
        pulls=_reviewed_pulls(github, sha) if gates.reviews else None,
        protection=github.protection(branch, details=gates.protection)
        if gates.protection or gates.branch_checks
        else None,
        link=github.commit_page(sha),
    )


def _reviewed_pulls(github: GitHubReader, sha: str) -> tuple[PullRequestFact, ...]:
    return tuple(
        pull.model_copy(update={"reviews": github.reviews(pull.number)}) for pull in github.pulls(sha)
    )
