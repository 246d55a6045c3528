"""What the ledger answers about promotions: what runs where, what waits, what was good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from blocks.values.lifecycle import ACTIVE, LIVE, OPEN, Status
from tasks.kernel.errors import TerminalError
from tasks.ledger.models import PROMOTIONS
from tasks.ledger.records import PromotionRecord
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Set

    from sqlalchemy import ColumnElement

PROVEN = LIVE | {Status.UNCHANGED}

_ROW = PROMOTIONS.c
# A promotion that was opened first may end last (it waited for approvals): what ended last is what runs.
_LATEST_END = (_ROW.ended_at.desc(), _ROW.id.desc())


class PromotionQueries(Rows[PromotionRecord]):
    """Questions about promotions; none changes anything."""

    table = PROMOTIONS
    kind = PromotionRecord

    def get(self, promotion_id: int) -> PromotionRecord | None:
        """Return a promotion, or None where the ledger has none of that number."""
        return self._first(_ROW.id == promotion_id)

    def of_run(self, flow_run_id: str) -> PromotionRecord | None:
        """Return the promotion a flow run carries, or None."""
        return self._first(_ROW.flow_run_id == flow_run_id)

    def running(self, pipeline: str, environment: str) -> PromotionRecord | None:
        """Return the promotion whose release runs in an environment: the one that succeeded last."""
        return self._first(*_there(pipeline, environment, LIVE), order=_LATEST_END)

    def active(self, pipeline: str, environment: str) -> PromotionRecord | None:
        """Return the promotion that is changing an environment now, or None."""
        return self._first(*_there(pipeline, environment, ACTIVE))

    def open_in(self, pipeline: str, environment: str) -> list[PromotionRecord]:
        """Return the promotions of an environment that have not ended, oldest first."""
        return self._all(*_there(pipeline, environment, OPEN))

    def proven(self, pipeline: str, environment: str, release_id: str) -> PromotionRecord | None:
        """Return the last promotion in which a release ran in an environment with its smoke checks passed."""
        proven = _there(pipeline, environment, PROVEN)
        return self._first(*proven, _ROW.release_id == release_id, order=_LATEST_END)

    def history(
        self, pipeline: str | None = None, environment: str | None = None, limit: int = 50
    ) -> list[PromotionRecord]:
        """Return promotions, newest first, of all pipelines and environments where none is named."""
        return self._all(*_place(pipeline, environment), order=[_ROW.id.desc()], limit=limit)

    def durations(self, pipeline: str, environment: str, limit: int = 10) -> list[float]:
        """Return how many seconds the last successful promotions took from their start to their end."""
        started = (*_there(pipeline, environment, LIVE), _ROW.started_at.is_not(None))
        ended = self._all(*started, order=_LATEST_END, limit=limit)
        return [(p.ended_at - p.started_at).total_seconds() for p in ended if p.ended_at and p.started_at]

    def environments(self, pipeline: str | None = None) -> list[tuple[str, str]]:
        """Return every (pipeline, environment) that was ever promoted to, sorted."""
        query = select(_ROW.pipeline, _ROW.environment).where(*_place(pipeline, None)).distinct()
        with self._database.reading() as connection:
            return sorted((row[0], row[1]) for row in connection.execute(query))

    def _known(self, promotion_id: int) -> PromotionRecord:
        found = self.get(promotion_id)
        if found is None:
            raise TerminalError(
                f"{self._database.where} has no promotion {promotion_id}", "look at `sluice history`"
            )
        return found


def _place(pipeline: str | None, environment: str | None) -> list[ColumnElement[bool]]:
    """Return the conditions of a place; what is None may be any."""
    wanted = {_ROW.pipeline: pipeline, _ROW.environment: environment}
    return [column == name for column, name in wanted.items() if name is not None]


def _there(pipeline: str, environment: str, statuses: Set[Status]) -> list[ColumnElement[bool]]:
    return [*_place(pipeline, environment), _ROW.status.in_(statuses)]
