"""What the ledger answers about promotions: what runs where, what waits, what was good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from blocks.values.lifecycle import ACTIVE, LIVE, OPEN, Kind, Status
from tasks.kernel.errors import TerminalError
from tasks.ledger.models import PromotionRow
from tasks.ledger.records import PromotionRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from sqlalchemy import ColumnElement, Select

    from tasks.ledger.database import Database

PROVEN = LIVE | {Status.UNCHANGED}

# A promotion that was opened first may end last (it waited for approvals): what ended last is what runs.
_LATEST_END = (PromotionRow.ended_at.desc(), PromotionRow.id.desc())


class PromotionQueries:
    """Questions about promotions; none changes anything.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, promotion_id: int) -> PromotionRecord | None:
        """Return a promotion, or None where the ledger has none of that number."""
        return self._first(select(PromotionRow).where(PromotionRow.id == promotion_id))

    def of_run(self, flow_run_id: str) -> PromotionRecord | None:
        """Return the promotion a flow run carries, or None."""
        return self._first(select(PromotionRow).where(PromotionRow.flow_run_id == flow_run_id))

    def running(self, pipeline: str, environment: str) -> PromotionRecord | None:
        """Return the promotion whose release runs in an environment: the one that succeeded last."""
        return self._first(_there(pipeline, environment, LIVE).order_by(*_LATEST_END))

    def active(self, pipeline: str, environment: str) -> PromotionRecord | None:
        """Return the promotion that is changing an environment now, or None."""
        return self._first(_there(pipeline, environment, ACTIVE))

    def open_in(self, pipeline: str, environment: str) -> list[PromotionRecord]:
        """Return the promotions of an environment that have not ended, oldest first."""
        return self._all(_there(pipeline, environment, OPEN).order_by(PromotionRow.id))

    def proven(self, pipeline: str, environment: str, release_id: str) -> PromotionRecord | None:
        """Return the last promotion in which a release ran in an environment with its smoke checks passed."""
        query = _there(pipeline, environment, PROVEN).where(PromotionRow.release_id == release_id)
        return self._first(query.order_by(*_LATEST_END))

    def history(
        self, pipeline: str | None = None, environment: str | None = None, limit: int = 50
    ) -> list[PromotionRecord]:
        """Return promotions, newest first, of all pipelines and environments where none is named."""
        query = select(PromotionRow).order_by(PromotionRow.id.desc()).limit(limit)
        if pipeline is not None:
            query = query.where(PromotionRow.pipeline == pipeline)
        if environment is not None:
            query = query.where(PromotionRow.environment == environment)
        return self._all(query)

    def durations(self, pipeline: str, environment: str, limit: int = 10) -> list[float]:
        """Return how many seconds the last successful promotions took from their start to their end."""
        query = _there(pipeline, environment, LIVE).where(PromotionRow.started_at.is_not(None))
        ended = self._all(query.order_by(*_LATEST_END).limit(limit))
        return [(p.ended_at - p.started_at).total_seconds() for p in ended if p.ended_at and p.started_at]

    def environments(self, pipeline: str | None = None) -> list[tuple[str, str]]:
        """Return every (pipeline, environment) that was ever promoted to, sorted."""
        query = select(PromotionRow.pipeline, PromotionRow.environment).distinct()
        if pipeline is not None:
            query = query.where(PromotionRow.pipeline == pipeline)
        with self._database.reading() as connection:
            return sorted((row[0], row[1]) for row in connection.execute(query))

    def _known(self, promotion_id: int) -> PromotionRecord:
        found = self.get(promotion_id)
        if found is None:
            raise TerminalError(
                f"{self._database.where} has no promotion {promotion_id}", "look at `sluice history`"
            )
        return found

    def _first(self, query: Select[Any]) -> PromotionRecord | None:
        found = self._all(query.limit(1))
        return found[0] if found else None

    def _all(self, query: Select[Any]) -> list[PromotionRecord]:
        with self._database.reading() as connection:
            return [PromotionRecord.of(row) for row in connection.execute(query)]


def last_good(stays: Iterable[tuple[int, str | None, str]], excluded: Set[str]) -> int | None:
    """Find the promotion to go back to.

    Args:
        stays: The successful promotions of one environment as (id, release, kind), newest first.
        excluded: The releases not to go to.

    Returns:
        The id of the newest one whose release is not excluded and was not left by a rollback from its last
        stay; None where there is none.
    """
    seen = set(excluded)
    ended_by = ""
    for promotion_id, release_id, kind in stays:
        if release_id is not None and release_id not in seen:
            if ended_by != Kind.ROLLBACK:
                return promotion_id
            seen.add(release_id)
        ended_by = kind
    return None


def _place(pipeline: str, environment: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return PromotionRow.pipeline == pipeline, PromotionRow.environment == environment


def _there(pipeline: str, environment: str, statuses: Set[Status]) -> Select[Any]:
    return select(PromotionRow).where(*_place(pipeline, environment), PromotionRow.status.in_(statuses))
