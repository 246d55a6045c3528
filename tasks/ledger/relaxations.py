"""Rules on GitHub that people let go for a while, from the request until they are back in force."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from tasks.kernel.errors import RefusedError, TerminalError
from tasks.ledger.errors import Conflict
from tasks.ledger.models import RelaxationRow
from tasks.ledger.relaxation_records import RelaxationRecord, RelaxationStatus

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from blocks.values.asked import AskedFor
    from blocks.values.rules import BranchProtection
    from tasks.ledger.database import Database

_STANDING = ("begun", "relaxed")


class Relaxations:
    """The requests to relax a rule, and what became of them.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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
        """Record a request. Running it twice is safe: a run has one request.

        Args:
            repository: The repository's address on GitHub.
            requested_by: Who asks, as they say.
            flow_run_id: The flow run that carries it.
            now: The present time, UTC.
            asked: All of it, as a later start of the run has to ask for it again.
        """
        there = self.of_run(flow_run_id)
        if there is not None:
            return there
        values: dict[str, Any] = {
            "pipeline": pipeline,
            "repository": repository,
            "branch": branch,
            "rule": rule,
            "seconds": seconds,
            "reason": reason,
            "requested_by": requested_by,
            "approved_by": "",
            "status": "asked",
            "message": "",
            "flow_run_id": flow_run_id,
            "asked_at": now,
            "asked": asked.to_json() if asked is not None else None,
        }
        with self._database.writing() as connection:
            row = connection.execute(insert(RelaxationRow).values(values).returning(RelaxationRow)).one()
            return RelaxationRecord.of(row)

    def note(self, number: int, message: str) -> RelaxationRecord:
        """Keep one line for a person about a request that was not answered yet."""
        return self._move(number, ("asked",), {"message": message})

    def begin(
        self, number: int, *, before: BranchProtection, approved_by: str, now: datetime
    ) -> RelaxationRecord:
        """Record that the rule is about to be relaxed, and what is to be put back. GitHub is changed after this.

        Args:
            before: What is enforced on the branch now.
            now: The present time, UTC; the time it may take counts from it.

        Returns:
            The request. One that was begun already is returned as it is.

        Raises:
            RefusedError: The rule is relaxed already, by another request.
        """
        seconds = self.get(number).seconds
        values = {
            "status": "begun",
            "before": before.to_json(),
            "approved_by": approved_by,
            "until": now + timedelta(seconds=seconds),
        }
        asked = update(RelaxationRow).where(RelaxationRow.id == number, RelaxationRow.status == "asked")
        try:
            with self._database.writing() as connection:
                connection.execute(asked.values(values))
        except Conflict:
            raise RefusedError(
                f"request {number}: the rule is relaxed already, by another request",
                "wait until it is restored",
            ) from None
        return self.get(number)

    def settle(self, number: int, *, message: str, now: datetime) -> RelaxationRecord:
        """Record that GitHub was changed; a request that is over by now stays so.

        Args:
            message: One line for a person.
            now: The present time, UTC.
        """
        return self._move(number, ("begun",), {"status": "relaxed", "message": message, "relaxed_at": now})

    def end(self, number: int, status: RelaxationStatus, *, message: str, now: datetime) -> RelaxationRecord:
        """Record that a request is over; one that ended before stays as it is.

        Args:
            status: `restored`, `refused` or `failed`.
            message: One line for a person.
            now: The present time, UTC.
        """
        open_ones = ("asked", *_STANDING)
        return self._move(number, open_ones, {"status": status, "message": message, "ended_at": now})

    def of_run(self, flow_run_id: str) -> RelaxationRecord | None:
        """Return the request a flow run carries, or None."""
        return self._first(RelaxationRow.flow_run_id == flow_run_id)

    def get(self, number: int) -> RelaxationRecord:
        """Return a request.

        Raises:
            TerminalError: The ledger has none of that number.
        """
        found = self._first(RelaxationRow.id == number)
        if found is None:
            raise TerminalError(f"{self._database.where} has no request {number} to relax a rule")
        return found

    def standing(self, repository: str = "") -> list[RelaxationRecord]:
        """Return what may be relaxed on GitHub now, oldest first; only in one repository where it is named."""
        query = select(RelaxationRow).where(RelaxationRow.status.in_(_STANDING)).order_by(RelaxationRow.id)
        if repository:
            query = query.where(RelaxationRow.repository == repository)
        with self._database.reading() as connection:
            return [RelaxationRecord.of(row) for row in connection.execute(query)]

    def _move(self, number: int, statuses: tuple[str, ...], values: dict[str, Any]) -> RelaxationRecord:
        fits = update(RelaxationRow).where(RelaxationRow.id == number, RelaxationRow.status.in_(statuses))
        with self._database.writing() as connection:
            connection.execute(fits.values(values))
        return self.get(number)

    def _first(self, condition: ColumnElement[bool]) -> RelaxationRecord | None:
        with self._database.reading() as connection:
            row = connection.execute(select(RelaxationRow).where(condition)).first()
            return None if row is None else RelaxationRecord.of(row)
