"""The journal: which steps of a promotion began, finished or failed. Written before each change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from tasks.kernel.errors import TerminalError
from tasks.ledger.errors import Conflict
from tasks.ledger.models import StepRow
from tasks.ledger.records import StepRecord

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Update

    from blocks.values.base import Value
    from tasks.ledger.database import Database


class Steps:
    """The steps of a ledger's promotions. A finished one stays finished, with its first receipt.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, promotion_id: int, name: str, host: str = "", *, now: datetime) -> StepRecord:
        """Say that a step begins, or begins again.

        Args:
            promotion_id: The promotion it belongs to.
            host: The host's name, empty for a step that runs once.
            now: The present time, UTC.

        Returns:
            The step, with one attempt more; or as it is, when it finished already.
        """
        again = {
            "status": "started",
            "attempts": StepRow.attempts + 1,
            "error": None,
            "started_at": now,
            "finished_at": None,
        }
        begun = self._changed(promotion_id, name, host, again)
        if begun is not None:
            return begun
        known = self.get(promotion_id, name, host)
        if known is None:
            return self._first(promotion_id, name, host, now)
        # One that is not finished was begun by another process between the two looks.
        return known if known.status == "finished" else self.start(promotion_id, name, host, now=now)

    def _first(self, promotion_id: int, name: str, host: str, now: datetime) -> StepRecord:
        values = {
            "promotion_id": promotion_id,
            "name": name,
            "host": host,
            "status": "started",
            "attempts": 1,
            "started_at": now,
        }
        try:
            with self._database.writing() as connection:
                row = connection.execute(insert(StepRow).values(values).returning(StepRow)).one()
                return StepRecord.of(row)
        except Conflict:  # begun by another process meanwhile, or no such promotion
            if self.get(promotion_id, name, host) is None:
                raise
            return self.start(promotion_id, name, host, now=now)

    def finish(
        self, promotion_id: int, name: str, host: str = "", *, receipt: Value, now: datetime
    ) -> StepRecord:
        """Keep a step's receipt.

        Args:
            promotion_id: The promotion it belongs to.
            host: The host's name, empty for a step that runs once.
            now: The present time, UTC.

        Raises:
            TerminalError: The step was never started.
        """
        values = {"status": "finished", "receipt": receipt.to_json(), "error": None, "finished_at": now}
        return self._ended(promotion_id, name, host, values)

    def fail(self, promotion_id: int, name: str, host: str = "", *, error: str, now: datetime) -> StepRecord:
        """Keep why a step's try failed.

        Args:
            promotion_id: The promotion it belongs to.
            host: The host's name, empty for a step that runs once.
            error: What failed, redacted.
            now: The present time, UTC.

        Returns:
            The failed step; or the finished one, when another try finished it.

        Raises:
            TerminalError: The step was never started.
        """
        return self._ended(promotion_id, name, host, {"status": "failed", "error": error, "finished_at": now})

    def get(self, promotion_id: int, name: str, host: str = "") -> StepRecord | None:
        """Return a step, or None where it was never started."""
        query = select(StepRow).where(
            StepRow.promotion_id == promotion_id, StepRow.name == name, StepRow.host == host
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else StepRecord.of(row)

    def of(self, promotion_id: int) -> list[StepRecord]:
        """Return a promotion's steps in the order they were first started."""
        query = select(StepRow).where(StepRow.promotion_id == promotion_id).order_by(StepRow.id)
        with self._database.reading() as connection:
            return [StepRecord.of(row) for row in connection.execute(query)]

    def _ended(self, promotion_id: int, name: str, host: str, values: dict[str, Any]) -> StepRecord:
        step = self._changed(promotion_id, name, host, values) or self.get(promotion_id, name, host)
        if step is None:
            place = f"{name} on {host}" if host else name
            raise TerminalError(
                f"step {place} of promotion {promotion_id} has no journal row", "start it before its end"
            )
        return step

    def _changed(self, promotion_id: int, name: str, host: str, values: dict[str, Any]) -> StepRecord | None:
        changed = _unfinished(promotion_id, name, host).values(values).returning(StepRow)
        with self._database.writing() as connection:
            row = connection.execute(changed).one_or_none()
        return None if row is None else StepRecord.of(row)


def _unfinished(promotion_id: int, name: str, host: str) -> Update:
    return update(StepRow).where(
        StepRow.promotion_id == promotion_id,
        StepRow.name == name,
        StepRow.host == host,
        StepRow.status != "finished",
    )
