"""What becomes of a promotion whose flow run ended without it, from ledger, journal and Prefect's word alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from blocks.values.base import Value
from blocks.values.flow_runs import RunFact
from blocks.values.lifecycle import ACTIVE, Status

# Prefect's worker reports a crash twice within seconds, and the second word ends a retry that came in between; and
# whoever retries a run by hand at once shall find its promotion as it was left.
GRACE = timedelta(seconds=60)
# Another server of the same ledger may carry what this one does not know; after a day it does so no more.
LONGEST_ELSEWHERE = timedelta(days=1)
# Signs of life that may fail to come before a run counts as dead: a busy server loses some.
MISSED_SIGNS = 5
EXPIRED = "the approvals did not come in time"


class Life(StrEnum):
    """Whether anything still carries a promotion."""

    ALIVE = "alive"  # scheduled, pending, running
    SUSPENDED = "suspended"  # waits for an answer; it has no process
    SILENT = "silent"  # Prefect says running, and no sign of life comes any more
    ENDED = "ended"  # it ended by itself, or its process died
    CANCELLED = "cancelled"  # a person ended it
    GONE = "gone"  # this server does not know it: it was deleted, or belongs to another server of the same ledger


class Act(StrEnum):
    """What `reconcile` does with an open promotion."""

    LEAVE = "leave"
    END = "end"  # move it to the status of the decision
    RETRY = "retry"  # start its run again: it goes on where it was cut
    CALL = "call"  # only a person can tell what is right


class ReconcileDecision(Value):
    """What to do, and the line that says why."""

    act: Act
    status: Status | None = None
    message: str = ""


class Open(Value):
    """A promotion that has not ended, and what is known of whoever carries it.

    Attributes:
        ended: How its run ended, for people: `crashed`, `is gone`, …
        quiet_since: Since when nothing carries it, UTC; None where that is not known.
        overtaken: Who took over without the ledger; empty where nobody did.
        leased: True when the environment's lease has not run out: somebody may be changing it.
        switch_begun: True when the journal has a row of `up`.
        switched: True when a host runs something else than before; False when every host runs what it ran; None
            where a host could not be asked.
        migration_begun: True when the journal has a row of `migrate`.
        migrating: True when the container of that migration still runs on a host.
        deployed: True when a worker can start its run again.
        deadline: Until when approvals may come, UTC; None where nobody is asked.
    """

    status: Status
    life: Life
    ended: str = "ended"
    quiet_since: datetime | None = None
    overtaken: str = ""
    leased: bool = False
    switch_begun: bool = False
    switched: bool | None = None
    before: str | None = None
    migration_begun: bool = False
    migrating: bool = False
    revision: str | None = None
    retried: bool = False
    deployed: bool = True
    deadline: datetime | None = None


LEAVE = ReconcileDecision(act=Act.LEAVE)
_ENDED = {"COMPLETED": "completed", "FAILED": "failed", "CRASHED": "crashed"}


def life_of(run: RunFact | None, *, now: datetime, sign_seconds: float | None) -> Life:
    """Say whether a flow run still carries its promotion.

    Args:
        sign_seconds: How often runs give signs of life; None where they do not: then none is silent.
    """
    if run is None:
        return Life.GONE
    if run.state in _ENDED:
        return Life.ENDED
    if run.state == "CANCELLED":
        return Life.CANCELLED
    if run.state == "PAUSED":
        return Life.SUSPENDED
    if run.state == "RUNNING" and run.last_sign is not None and sign_seconds:
        heard = max(run.last_sign, run.since)
        return Life.SILENT if now - heard > MISSED_SIGNS * timedelta(seconds=sign_seconds) else Life.ALIVE
    return Life.ALIVE


def how_it_ended(run: RunFact | None, life: Life) -> str:
    """Return how a run ended, for people."""
    if run is None:
        return "is gone"
    if life is Life.SILENT:
        return "fell silent"
    return "was cancelled" if life is Life.CANCELLED else _ENDED.get(run.state, run.name.lower())


def decide(one: Open, *, now: datetime) -> ReconcileDecision:
    """Say what becomes of an open promotion. Where anything may still carry it, nothing does."""
    if one.life is Life.SUSPENDED:
        return _expired(one, now) or LEAVE
    if one.life is Life.ALIVE or (one.quiet_since is not None and now - one.quiet_since < GRACE):
        return LEAVE
    if one.status in ACTIVE:
        return _active(one)
    return _expired(one, now) or _untouched(one, now)


def _untouched(one: Open, now: datetime) -> ReconcileDecision:
    elsewhere = one.quiet_since is None or now - one.quiet_since < LONGEST_ELSEWHERE
    if one.life is Life.GONE and elsewhere:
        return LEAVE
    return _end(Status.ABANDONED, f"its run {one.ended} before anything was touched; promote again")


def _expired(one: Open, now: datetime) -> ReconcileDecision | None:
    if one.status is not Status.WAITING or one.deadline is None or now < one.deadline:
        return None
    return _end(Status.EXPIRED, EXPIRED)


def _active(one: Open) -> ReconcileDecision:
    """Judge a promotion that held the lease: nothing is done while it, or anybody, may still hold it."""
    if one.leased:
        return LEAVE
    if one.overtaken:
        return _end(Status.ABANDONED, f"its run {one.ended}; {one.overtaken} took over")
    if one.status is Status.RUNNING and not one.switch_begun:
        return _before_switch(one)
    return _in_the_middle(one)


def _in_the_middle(one: Open) -> ReconcileDecision:
    """Judge a promotion whose switch had begun: its run goes on where it was cut, once, unless a person ended it."""
    what = f"its run {one.ended} in the middle of the switch"
    if one.life is Life.CANCELLED:
        return _call(f"{what}: retry it, or roll back")
    if one.retried:
        return _call(f"{what} again after it was started again: a person has to fix it")
    if not one.deployed or one.life is Life.GONE:
        return _call(f"{what} and cannot be started again from here: a person has to fix it")
    return ReconcileDecision(act=Act.RETRY, message=f"{what}; it is started again")


def _before_switch(one: Open) -> ReconcileDecision:
    if one.switched is None or one.migrating:
        return LEAVE
    if one.switched:
        return _call(f"its run {one.ended} before the switch, and yet a host runs something else than before")
    runs = f"{one.before} still runs" if one.before else "nothing ran before"
    stands = one.revision or "unknown, look at it"
    half = f"; its migration had begun, the database is at revision {stands}" if one.migration_begun else ""
    line = f"its run {one.ended} before the switch; nothing was switched, {runs}{half}"
    return _end(Status.FAILED, line)


def _end(status: Status, message: str) -> ReconcileDecision:
    return ReconcileDecision(act=Act.END, status=status, message=message)


def _call(message: str) -> ReconcileDecision:
    return ReconcileDecision(act=Act.CALL, message=message)
