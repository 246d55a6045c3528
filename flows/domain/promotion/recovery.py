"""What a resumed run has to do, and what a failure means, from status and journal alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Literal, Protocol

from blocks.values.base import Value
from blocks.values.lifecycle import ENDED, Status
from tasks.kernel.errors import FencedError, SluiceError

StepStatus = Literal["started", "finished", "failed"]

# From here on something live is no longer as it was: a rollback stops services before it changes the database.
SWITCH = frozenset({"up", "pause"})
# The release runs and its smoke checks passed: nothing from here on takes it back.
AFTER_SUCCESS = frozenset({"record", "tag", "notify", "prune"})


class Action(StrEnum):
    """What a run that starts or starts again does with its promotion."""

    PLAN = "plan"  # from the top: nothing on the hosts was touched
    ASK = "ask"  # judge the answer that came, or ask again
    LEASE = "lease"  # take the lease, then change
    CONTINUE = "continue"  # take the lease again, go on at the step that was cut
    RESTORE = "restore"  # bring the previous release back
    REPORT = "report"  # it ended: change nothing, tell how


class Ending(Value):
    """How a change ended."""

    status: Status
    message: str


class JournalStep(Protocol):
    """A journal row, as far as it matters here."""

    @property
    def name(self) -> str:
        """The step's name."""
        ...

    @property
    def status(self) -> StepStatus:
        """Where the step stands."""
        ...


_BY_STATUS = {
    Status.PLANNING: Action.PLAN,
    Status.WAITING: Action.ASK,
    Status.APPROVED: Action.LEASE,
    Status.RESTORING: Action.RESTORE,
}


def next_action(status: Status, steps: Sequence[JournalStep]) -> Action:
    """Say how a run goes on with a promotion it finds in the ledger.

    A step that failed after the switch began means that the previous release has to come back, also when the process
    died before the status said so.
    """
    if status in ENDED:
        return Action.REPORT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    failed = any(step.status == "failed" and step.name not in AFTER_SUCCESS for step in steps)
    return Action.RESTORE if failed and up_started(steps) else Action.CONTINUE


def up_started(steps: Sequence[JournalStep]) -> bool:
    """Say whether the switch began on any host.

    Returns:
        True once a row of `up`, or of what stops services before it, was written, whatever became of it.
    """
    return any(step.name in SWITCH for step in steps)


def after_failure(previous_release_id: str | None, *, up_started: bool, refused: bool = False) -> Status:
    """Say which status follows when a change has failed for good.

    Returns:
        FAILED or REFUSED before the switch, FAILED where nothing ran before, RESTORING after the switch.
    """
    if not up_started:
        return Status.REFUSED if refused else Status.FAILED
    return Status.RESTORING if previous_release_id else Status.FAILED


def after_restoring(cause: str, told: Sequence[str], failed: Mapping[str, SluiceError]) -> Ending:
    """Say how a change ended after what ran before was started again.

    Returns:
        RESTORED where it runs everywhere, ABANDONED where another run took over meanwhile, else BROKEN.
    """
    fenced = [error for error in failed.values() if isinstance(error, FencedError)]
    if fenced:
        return Ending(status=Status.ABANDONED, message=f"{cause}; then {fenced[0]}")
    if failed:
        cause += f"; then restoring failed on {', '.join(failed)}: {'; '.join(map(str, failed.values()))}"
    again = f" ({', '.join(told)})" if told else ""
    return Ending(status=Status.BROKEN if failed else Status.RESTORED, message=f"{cause}{again}")


def stopped_note(host: str, services: Sequence[str]) -> str:
    """Say which services had stopped on a host; empty for none."""
    return f"{', '.join(services)} had stopped on {host} and were started again" if services else ""


def failure_note(status: Status, environment: str, previous_release_id: str | None) -> str:
    """Say in one line what a failure leaves behind."""
    if status is Status.BROKEN:
        return (
            f"{previous_release_id} could not be started again in {environment}: a person has to fix it now"
        )
    if status is Status.RESTORING:
        return f"{previous_release_id} is being started again in {environment}"
    if previous_release_id is None:
        return f"nothing ran before in {environment}, so there is nothing to go back to"
    return f"{previous_release_id} still runs in {environment}"
