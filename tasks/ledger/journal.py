"""The journal: which steps of a promotion began, finished or failed. Written before each change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.kernel.errors import TerminalError
from tasks.ledger.errors import Conflict
from tasks.ledger.models import STEPS
from tasks.ledger.records import StepRecord
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from blocks.values.base import Value

_ROW = STEPS.c


class Steps(Rows[StepRecord]):
    """The steps of a ledger's promotions. A finished one stays finished, with its first receipt.

    A step that runs once has no host: its `host` is empty.
    """

    table = STEPS
    kind = StepRecord

    def start(self, promotion_id: int, name: str, host: str = "", *, now: datetime) -> StepRecord:
        """Say that a step begins, or begins again; one that finished is returned as it is."""
        begun = self._change_one(
            *_unfinished(promotion_id, name, host),
            status="started",
            attempts=_ROW.attempts + 1,
            error=None,
            started_at=now,
            finished_at=None,
        )
        if begun is not None:
            return begun
        known = self.get(promotion_id, name, host)
        if known is None:
            return self._begin(promotion_id, name, host, now)
        # One that is not finished was begun by another process between the two looks.
        return known if known.status == "finished" else self.start(promotion_id, name, host, now=now)

    def _begin(self, promotion_id: int, name: str, host: str, now: datetime) -> StepRecord:
        try:
            return self._add(
                promotion_id=promotion_id, name=name, host=host, status="started", attempts=1, started_at=now
            )
        except Conflict:  # begun by another process meanwhile, or no such promotion
            if self.get(promotion_id, name, host) is None:
                raise
            return self.start(promotion_id, name, host, now=now)

    def finish(
        self, promotion_id: int, name: str, host: str = "", *, receipt: Value, now: datetime
    ) -> StepRecord:
        """Keep a step's receipt."""
        kept = receipt.to_json()
        return self._end(
            promotion_id, name, host, status="finished", receipt=kept, error=None, finished_at=now
        )

    def fail(self, promotion_id: int, name: str, host: str = "", *, error: str, now: datetime) -> StepRecord:
        """Keep why a step's try failed, redacted; one that another try finished is returned as it is."""
        return self._end(promotion_id, name, host, status="failed", error=error, finished_at=now)

    def get(self, promotion_id: int, name: str, host: str = "") -> StepRecord | None:
        """Return a step, or None where it was never started."""
        return self._first(*_step(promotion_id, name, host))

    def of(self, promotion_id: int) -> list[StepRecord]:
        """Return a promotion's steps in the order they were first started."""
        return self._all(_ROW.promotion_id == promotion_id)

    def _end(self, promotion_id: int, name: str, host: str, **values: object) -> StepRecord:
        ended = self._change_one(*_unfinished(promotion_id, name, host), **values)
        step = ended or self.get(promotion_id, name, host)
        if step is None:
            place = f"{name} on {host}" if host else name
            raise TerminalError(
                f"step {place} of promotion {promotion_id} has no journal row", "start it before its end"
            )
        return step


def _step(promotion_id: int, name: str, host: str) -> list[ColumnElement[bool]]:
    return [_ROW.promotion_id == promotion_id, _ROW.name == name, _ROW.host == host]


def _unfinished(promotion_id: int, name: str, host: str) -> list[ColumnElement[bool]]:
    return [*_step(promotion_id, name, host), _ROW.status != "finished"]
