"""What GitHub's deployment and commit status say: a function of the promotion's row."""

from __future__ import annotations

from urllib.parse import urlsplit

from blocks.values.lifecycle import ENDED, Kind, Status
from blocks.values.publication import LONGEST_DESCRIPTION, CommitState, DeploymentState
from flows.domain.words.text import one_line

CONTEXT = "sluice/"
LEFT = "left"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - nothing listens here

_DEPLOYMENT: dict[Status, DeploymentState] = {
    Status.PLANNING: "queued",
    Status.WAITING: "pending",
    Status.APPROVED: "queued",
    Status.RUNNING: "in_progress",
    Status.RESTORING: "in_progress",
    Status.SUCCEEDED: "success",
    # The release ran already: the deployment that brought it stays the active one.
    Status.UNCHANGED: "inactive",
    Status.REFUSED: "failure",
    Status.REJECTED: "inactive",
    Status.EXPIRED: "inactive",
    Status.SUPERSEDED: "inactive",
    Status.FAILED: "failure",
    Status.RESTORED: "failure",
    Status.BROKEN: "error",
    Status.ABANDONED: "error",
}

_COMMIT: dict[Status, CommitState] = {
    Status.SUCCEEDED: "success",
    Status.UNCHANGED: "success",
    Status.REFUSED: "failure",
    Status.REJECTED: "failure",
    Status.FAILED: "failure",
    Status.RESTORED: "failure",
    Status.EXPIRED: "error",
    Status.SUPERSEDED: "error",
    Status.BROKEN: "error",
    Status.ABANDONED: "error",
}

_WORDS = {
    Status.PLANNING: "being planned",
    Status.WAITING: "waiting for approvals",
    Status.APPROVED: "approved, about to begin",
    Status.RUNNING: "under way",
    Status.RESTORING: "failed, the previous release is being started again",
    Status.SUCCEEDED: "succeeded",
    Status.UNCHANGED: "runs already",
    Status.REFUSED: "refused",
    Status.REJECTED: "rejected",
    Status.EXPIRED: "expired: the approvals did not come in time",
    Status.SUPERSEDED: "superseded by a newer one",
    Status.FAILED: "failed before the switch",
    Status.RESTORED: "failed, the previous release runs again",
    Status.BROKEN: "broken: a person has to fix it",
    Status.ABANDONED: "abandoned: its run died",
}


def moment_of(status: Status, plan_hash: str | None, *, runs: bool) -> str:
    """Name what is to be shown of a promotion now. Each moment is shown once.

    Args:
        runs: Whether its release is what runs in the environment.

    Returns:
        A name for the journal; empty where the moment before still says it.
    """
    if status is Status.APPROVED:
        return ""
    if status is Status.WAITING:
        return f"{status.value} {(plan_hash or '')[:12]}".strip()
    return LEFT if status is Status.SUCCEEDED and not runs else status.value


def deployment_state(status: Status, *, runs: bool) -> DeploymentState:
    """Return what GitHub calls the state of a promotion's deployment."""
    return "inactive" if status is Status.SUCCEEDED and not runs else _DEPLOYMENT[status]


def commit_state(status: Status) -> CommitState:
    """Return the state of the commit status: pending until the promotion ends."""
    return _COMMIT.get(status, "pending")


def status_words(status: Status) -> str:
    """Return a status in words for people."""
    return _WORDS[status]


def described(kind: Kind, status: Status, message: str, *, runs: bool = True) -> str:
    """Return the line beside a state, short enough for GitHub.

    Args:
        message: The ledger's own line about an end.

    Returns:
        Plain text of at most 140 characters.
    """
    if status is Status.SUCCEEDED and not runs:
        return "another release runs now"
    what = f"{kind.value}: {status_words(status)}"
    said = message if status in ENDED and status is not Status.SUCCEEDED else ""
    return one_line(f"{what}: {said}" if said else what, LONGEST_DESCRIPTION)


def shown_address(address: str | None) -> str:
    """Return an environment's address where people can open it: a host's own loopback leads nowhere for them."""
    if not address or (urlsplit(address).hostname or "") in _LOOPBACK:
        return ""
    return address
