"""Rules on GitHub that people let go for a while, from the request until they are back in force."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tasks.kernel.errors import RefusedError, TerminalError
from tasks.ledger.errors import Conflict
from tasks.ledger.models import RELAXATIONS
from tasks.ledger.relaxation_records import RelaxationRecord, RelaxationStatus
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from datetime import datetime

    from blocks.values.asked import AskedFor
    from blocks.values.rules import BranchProtection

_STANDING = ("begun", "relaxed")
_ROW = RELAXATIONS.c


class Relaxations(Rows[RelaxationRecord]):
    """The requests to relax a rule, and what became of them."""

    table = RELAXATIONS
    kind = RelaxationRecord

    def open(
        self,
        *,
        pipeline: str,
        repository: str,
        branch: str,
        rule: str,
        seconds: int,
        reason: str,
        requested_by: str,
        flow_run_id: str,
        now: datetime,
        asked: AskedFor | None = None,
    ) -> RelaxationRecord:
        """Record a request. Running it twice is safe: a run has one request."""
        return self.of_run(flow_run_id) or self._add(
            pipeline=pipeline,
            repository=repository,
            branch=branch,
            rule=rule,
            seconds=seconds,
            reason=reason,
            requested_by=requested_by,
            approved_by="",
            status="asked",
            message="",
            flow_run_id=flow_run_id,
            asked_at=now,
            asked=asked,
        )

    def note(self, number: int, message: str) -> RelaxationRecord:
        """Keep one line for a person about a request that was not answered yet."""
        return self._move(number, "asked", message=message)

    def begin(
        self, number: int, *, before: BranchProtection, approved_by: str, now: datetime
    ) -> RelaxationRecord:
        """Record that the rule is about to be relaxed, and what is to be put back. GitHub is changed after this.

        Returns:
            The request. One that was begun already is returned as it is.

        Raises:
            RefusedError: The rule is relaxed already, by another request.
        """
        until = now + timedelta(seconds=self.get(number).seconds)
        try:
            return self._move(
                number, "asked", status="begun", before=before, approved_by=approved_by, until=until
            )
        except Conflict:
            raise RefusedError(
                f"request {number}: the rule is relaxed already, by another request",
                "wait until it is restored",
            ) from None

    def settle(self, number: int, *, message: str, now: datetime) -> RelaxationRecord:
        """Record that GitHub was changed; a request that is over by now stays so."""
        return self._move(number, "begun", status="relaxed", message=message, relaxed_at=now)

    def end(self, number: int, status: RelaxationStatus, *, message: str, now: datetime) -> RelaxationRecord:
        """Record that a request is over (`restored`, `refused` or `failed`); one that ended before stays as it is."""
        return self._move(number, "asked", *_STANDING, status=status, message=message, ended_at=now)

    def of_run(self, flow_run_id: str) -> RelaxationRecord | None:
        """Return the request a flow run carries, or None."""
        return self._first(_ROW.flow_run_id == flow_run_id)

    def get(self, number: int) -> RelaxationRecord:
        """Return a request."""
        found = self._first(_ROW.id == number)
        if found is None:
            raise TerminalError(f"{self._database.where} has no request {number} to relax a rule")
        return found

    def standing(self, repository: str = "") -> list[RelaxationRecord]:
        """Return what may be relaxed on GitHub now, oldest first; only in one repository where it is named."""
        there = [_ROW.repository == repository] if repository else []
        return self._all(_ROW.status.in_(_STANDING), *there)

    def _move(self, number: int, *statuses: str, **values: object) -> RelaxationRecord:
        """Change a request that has one of these statuses; return it as it is then, changed or not."""
        moved = self._change_one(_ROW.id == number, _ROW.status.in_(statuses), **values)
        return moved or self.get(number)
