"""What GitHub's deployment and commit status say: a function of the promotion's row."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from blocks.values.lifecycle import ENDED, Kind, Status
from blocks.values.publication import LONGEST_DESCRIPTION, CommitState, DeploymentState
from flows.domain.words.text import one_line

CONTEXT = "sluice/"
LEFT = "left"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - nothing listens here


class Wording(NamedTuple):
    """How a status is shown on GitHub: as a deployment's state, as a commit status, in words for people."""

    deployment: DeploymentState
    commit: CommitState
    words: str


_WORDINGS: dict[Status, Wording] = {
    Status.PLANNING: Wording("queued", "pending", "being planned"),
    Status.WAITING: Wording("pending", "pending", "waiting for approvals"),
    Status.APPROVED: Wording("queued", "pending", "approved, about to begin"),
    Status.RUNNING: Wording("in_progress", "pending", "under way"),
    Status.RESTORING: Wording(
        "in_progress", "pending", "failed, the previous release is being started again"
    ),
    Status.SUCCEEDED: Wording("success", "success", "succeeded"),
    # The release ran already: the deployment that brought it stays the active one.
    Status.UNCHANGED: Wording("inactive", "success", "runs already"),
    Status.REFUSED: Wording("failure", "failure", "refused"),
    Status.REJECTED: Wording("inactive", "failure", "rejected"),
    Status.EXPIRED: Wording("inactive", "error", "expired: the approvals did not come in time"),
    Status.SUPERSEDED: Wording("inactive", "error", "superseded by a newer one"),
    Status.FAILED: Wording("failure", "failure", "failed before the switch"),
    Status.RESTORED: Wording("failure", "failure", "failed, the previous release runs again"),
    Status.BROKEN: Wording("error", "error", "broken: a person has to fix it"),
    Status.ABANDONED: Wording("error", "error", "abandoned: its run died"),
}


def moment_of(status: Status, plan_hash: str | None, *, runs: bool) -> str:
    """Name what is to be shown of a promotion now. Each moment is shown once."""
    if status is Status.APPROVED:
        return ""
    if status is Status.WAITING:
        return f"{status.value} {(plan_hash or '')[:12]}".strip()
    return LEFT if status is Status.SUCCEEDED and not runs else status.value


def deployment_state(status: Status, *, runs: bool) -> DeploymentState:
    """Return what GitHub calls the state of a promotion's deployment."""
    return "inactive" if status is Status.SUCCEEDED and not runs else _WORDINGS[status].deployment


def commit_state(status: Status) -> CommitState:
    """Return the state of the commit status: pending until the promotion ends."""
    return _WORDINGS[status].commit


def status_words(status: Status) -> str:
    """Return a status in words for people."""
    return _WORDINGS[status].words


def described(kind: Kind, status: Status, message: str, *, runs: bool = True) -> str:
    """Return the line beside a state, short enough for GitHub."""
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
