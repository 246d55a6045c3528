"""Which merged pull requests a rollback leaves behind, and what stands in those that revert them."""

from __future__ import annotations

from collections.abc import Iterable

from blocks.values.base import Value
from blocks.values.pull_requests import PullFact
from flows.domain.pull_requests.text import body_of, span, title_of

MOST_REVERTS = 5
_LONGEST_CAUSE = 500


class Return(Value):
    """A rollback, as the pull requests tell of it.

    Attributes:
        left: The release that was left.
        back_to: The release that runs again.
    """

    promotion: int
    environment: str
    left: str
    back_to: str
    cause: str = ""
    asked_by: str = ""
    link: str = ""


def left_behind(pulls: Iterable[PullFact], commits: Iterable[str], base: str) -> tuple[PullFact, ...]:
    """Return the pull requests whose merge a rollback leaves behind, the newest first.

    Args:
        commits: The commits the release that was left has, and the one that runs again has not.
        base: The branch releases come from. A merge into another branch came in by a merge into this one.

    Returns:
        Each once: reverted from the newest on they do not stand in each other's way.
    """
    shas = set(commits)
    found = [
        one for one in pulls if one.merged_at is not None and one.merge_commit in shas and one.base == base
    ]
    return tuple(sorted(found, key=lambda one: (one.merged_at, one.number), reverse=True))


def revert_title(title: str, went: Return) -> str:
    """Return the title of the pull request that reverts another."""
    return title_of(f'Revert "{title_of(title)[:150]}": {went.environment} was rolled back')


def revert_body(repository: str, number: int, went: Return) -> str:
    """Return the text of the pull request that reverts another."""
    return body_of(
        f"Reverts {repository}#{number}.",
        _told(went),
        "Merging this keeps the next release from bringing it back. If it was not at fault, close this, fix what "
        f"was, and remove the hold of the release with `sluice unhold {went.environment} --reason …`.",
    )


def too_many_body(count: int, went: Return) -> str:
    """Return the comment that says why nothing was reverted."""
    return body_of(
        _told(went),
        f"It left {count} merged pull requests behind, this the newest. More than {MOST_REVERTS} are not reverted "
        "automatically: find out which was at fault, and revert that one.",
    )


def _told(went: Return) -> str:
    cause = f"Cause: {span(went.cause, _LONGEST_CAUSE)}" if went.cause.strip() else "Nobody gave a cause."
    by = f", asked for by {span(went.asked_by)}" if went.asked_by else ""
    run = f" ([run]({went.link}))" if went.link else ""
    return (
        f"`{went.environment}` went back from {span(went.left)} to {span(went.back_to)}: promotion {went.promotion}"
        f"{by}{run}.\n\n{cause}"
    )
