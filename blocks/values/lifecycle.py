"""The statuses of a promotion, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a promotion stands."""

    PLANNING = "planning"  # reading facts, building; nothing on the hosts is touched
    WAITING = "waiting"  # suspended for approvals
    APPROVED = "approved"  # the quorum is in; waiting for the lease
    RUNNING = "running"  # holds the lease and changes the environment
    RESTORING = "restoring"  # the new release failed; the previous one is being started again
    SUCCEEDED = "succeeded"  # the release runs and its smoke checks passed
    UNCHANGED = "unchanged"  # the release ran already; verified and smoked
    REFUSED = "refused"  # a gate or the preflight said no; nothing was touched
    REJECTED = "rejected"  # a person said no; nothing was touched
    EXPIRED = "expired"  # the approvals did not come in time; nothing was touched
    SUPERSEDED = "superseded"  # a newer promotion took its place; nothing was touched
    FAILED = "failed"  # it failed before the switch; what ran before still runs
    RESTORED = "restored"  # it failed after the switch; the previous release runs again, smoked
    BROKEN = "broken"  # the previous release could not be brought back; a person is needed
    ABANDONED = "abandoned"  # its process died and another promotion took over


class Kind(StrEnum):
    """What a promotion is for."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    REDEPLOY = "redeploy"


ACTIVE = frozenset({Status.RUNNING, Status.RESTORING})
OPEN = frozenset({Status.PLANNING, Status.WAITING, Status.APPROVED}) | ACTIVE
ENDED = frozenset(Status) - OPEN
LIVE = frozenset({Status.SUCCEEDED})

_BEFORE_CHANGE = frozenset(
    {
        Status.REFUSED,
        Status.REJECTED,
        Status.EXPIRED,
        Status.SUPERSEDED,
        Status.FAILED,
        Status.UNCHANGED,
        Status.ABANDONED,
    }
)

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PLANNING: frozenset({Status.WAITING, Status.APPROVED}) | _BEFORE_CHANGE,
    # Back to planning: the plan changed while people were asked, so it is computed anew.
    Status.WAITING: frozenset({Status.PLANNING, Status.APPROVED}) | _BEFORE_CHANGE,
    Status.APPROVED: frozenset({Status.PLANNING, Status.RUNNING}) | _BEFORE_CHANGE,
    Status.RUNNING: frozenset(
        {
            Status.RESTORING,
            Status.SUCCEEDED,
            Status.UNCHANGED,
            Status.REFUSED,
            Status.FAILED,
            Status.BROKEN,
            Status.ABANDONED,
        }
    ),
    Status.RESTORING: frozenset({Status.RESTORED, Status.BROKEN, Status.ABANDONED}),
}


def may_follow(current: Status, following: Status) -> bool:
    """Say whether a promotion may go from one status to another; it may be written again unchanged."""
    return current == following or following in TRANSITIONS.get(current, frozenset())
