"""What GitHub says about a commit, read as the gates need it. Nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.github import GitHubFacts
from tasks.step import fact, log

if TYPE_CHECKING:
    from blocks.pipeline import Gates
    from tasks.adapters.protocols import GitHubReader


@fact("read github")
def read_github(github: GitHubReader, *, sha: str, branch: str, gates: Gates) -> GitHubFacts:
    """Read what the gates of one environment ask of GitHub, and no more.

    Running it twice is safe: it only reads.

    Args:
        github: The repository on GitHub.
        sha: The commit.
        branch: The branch whose rules count.
        gates: What the policy asks for.

    Returns:
        The facts.

    Raises:
        TransientError: GitHub does not answer, or wants to be left alone for long.
        TerminalError: The login was refused or lacks a permission, or GitHub does not have the commit.
    """
    asks_checks = bool(gates.checks) or gates.branch_checks
    checks = github.checks(sha) if asks_checks else None
    pulls = github.pulls(sha) if gates.reviews else None
    if pulls is not None:
        pulls = tuple(pull.model_copy(update={"reviews": github.reviews(pull.number)}) for pull in pulls)
    protection = None
    if gates.protection or gates.branch_checks:
        protection = github.protection(branch, details=gates.protection)
    log().info(
        "GitHub: %s of commit %s",
        ", ".join(
            f"{len(found)} {name}"
            for name, found in (("checks", checks), ("pull requests", pulls))
            if found is not None
        )
        or f"rules of {branch}",
        sha[:7],
    )
    return GitHubFacts(checks=checks, pulls=pulls, protection=protection, link=github.commit_page(sha))
