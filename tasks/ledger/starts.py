"""The flow runs that deliveries ask for: written down before Prefect is asked, and asked for until it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, func, insert, not_, select, update

from blocks.values.deliveries import DeliveryStatus, StartStatus
from tasks.ledger.delivery_records import StartRecord
from tasks.ledger.models import DeliveryRow, StartRow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Update

    from blocks.values.deliveries import Start
    from tasks.ledger.database import Database
    from tasks.ledger.delivery_records import DeliveryRecord

# A repository and an environment.
Place = tuple[str, str]

_TAKEN = (StartStatus.PENDING, StartStatus.STARTED)


class Starts:
    """The starts of a ledger.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, without: Collection[Place] = (), limit: int | None = None) -> list[StartRecord]:
        """Return the starts Prefect has not got yet, in the order they were decided.

        Args:
            without: Repositories and environments that are left alone.
        """
        open_ones = [
            not_(and_(StartRow.repository == one, StartRow.environment == two)) for one, two in without
        ]
        return self._all(StartRow.status == StartStatus.PENDING, *open_ones, limit=limit)

    def pending_of(self, repository: str, branches: Collection[str]) -> list[StartRecord]:
        """Return the starts of some branches that Prefect has not got yet.

        Args:
            repository: The repository, `owner/name`.
        """
        return self._all(
            StartRow.status == StartStatus.PENDING,
            StartRow.repository == repository,
            StartRow.branch.in_(branches),
        )

    def of(self, deliveries: Collection[int]) -> list[StartRecord]:
        """Return what some deliveries start, oldest first."""
        return self._all(StartRow.delivery_id.in_(deliveries))

    def latest_commits(self, repository: str) -> dict[str, str]:
        """Return the last commit that was or will be promoted by its own event: environment → commit.

        Args:
            repository: The repository, `owner/name`.
        """
        newest = (
            select(func.max(StartRow.id))
            .where(StartRow.repository == repository, StartRow.by_commit, StartRow.status.in_(_TAKEN))
            .group_by(StartRow.environment)
        )
        query = select(StartRow.environment, StartRow.sha).where(StartRow.id.in_(newest))
        with self._database.reading() as connection:
            return dict(connection.execute(query).tuples().all())

    def started(self, start: StartRecord, flow_run_id: str, now: datetime) -> None:
        """Write down that Prefect has the run.

        Args:
            now: The present time, UTC.
        """
        self._end(start, StartStatus.STARTED, "", now, flow_run_id=flow_run_id)

    def failed(self, start: StartRecord, reason: str, now: datetime) -> None:
        """Write down that Prefect refuses the run, and why.

        Args:
            reason: One line for a person.
            now: The present time, UTC.
        """
        self._end(start, StartStatus.FAILED, reason, now)

    def put_off(self, start: StartRecord, reason: str, until: datetime, now: datetime) -> None:
        """Leave a start for later, because Prefect does not answer.

        Args:
            until: Not before this time, UTC.
            now: The present time, UTC.
        """
        values = {"attempts": StartRow.attempts + 1, "reason": reason, "next_try_at": until}
        with self._database.writing() as connection:
            connection.execute(_still_pending([start.id]).values(**values, updated_at=now))

    def _end(
        self,
        start: StartRecord,
        status: StartStatus,
        reason: str,
        now: datetime,
        flow_run_id: str | None = None,
    ) -> None:
        values = {"status": status, "reason": reason, "flow_run_id": flow_run_id, "next_try_at": None}
        with self._database.writing() as connection:
            connection.execute(_still_pending([start.id]).values(**values, updated_at=now))
            _settle(connection, [start.delivery_id], now)

    def _all(self, *wanted: ColumnElement[bool], limit: int | None = None) -> list[StartRecord]:
        with self._database.reading() as connection:
            rows = connection.execute(select(StartRow).where(*wanted).order_by(StartRow.id).limit(limit))
            return [StartRecord.of(row) for row in rows]


def start_key(row: DeliveryRecord, start: Start) -> str:
    """Return Prefect's idempotency key of a start: delivery, environment and kind, and which replay it is."""
    again = f":replay-{row.replays}" if row.replays else ""
    return f"{row.delivery}:{start.kind.value}/{start.environment}{again}"


def add_start(connection: Connection, row: DeliveryRecord, start: Start, now: datetime) -> None:
    """Write a start down, within the transaction that decides about its delivery.

    Args:
        now: The present time, UTC.
    """
    values = {
        **start.model_dump(exclude={"reason"}),
        "cause": start.reason,
        "delivery_id": row.id,
        "key": start_key(row, start),
        "repository": row.repository,
        "status": StartStatus.PENDING,
        "reason": "",
        "attempts": 0,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(insert(StartRow).values(values))


def fold_starts(connection: Connection, starts: Collection[int], reason: str, now: datetime) -> None:
    """Give up starts that Prefect has not got, because a newer one takes their place.

    Args:
        reason: One line for a person.
        now: The present time, UTC.
    """
    if not starts:
        return
    folded = (
        _still_pending(starts)
        .values(status=StartStatus.FOLDED, reason=reason, next_try_at=None, updated_at=now)
        .returning(StartRow.delivery_id)
    )
    _settle(connection, sorted(set(connection.execute(folded).scalars())), now)


def _still_pending(starts: Collection[int]) -> Update:
    return update(StartRow).where(StartRow.id.in_(starts), StartRow.status == StartStatus.PENDING)


def _settle(connection: Connection, deliveries: Sequence[int], now: datetime) -> None:
    """End the deliveries all of whose starts have ended."""
    for delivery in deliveries:
        query = select(StartRow.status, StartRow.reason).where(StartRow.delivery_id == delivery)
        found = [(StartStatus(status), reason) for status, reason in connection.execute(query)]
        statuses = {status for status, _ in found}
        if StartStatus.PENDING in statuses:
            continue
        worst = next(one for one in _WORST_FIRST if one in statuses)
        values = {"status": _ENDS[worst], "updated_at": now}
        if said := "; ".join(dict.fromkeys(reason for _, reason in found if reason)):
            values["reason"] = said
        connection.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id == delivery, DeliveryRow.status == DeliveryStatus.ACCEPTED)
            .values(values)
        )


_ENDS = {
    StartStatus.FAILED: DeliveryStatus.FAILED,
    StartStatus.STARTED: DeliveryStatus.STARTED,
    StartStatus.FOLDED: DeliveryStatus.FOLDED,
}
_WORST_FIRST = (StartStatus.FAILED, StartStatus.STARTED, StartStatus.FOLDED)
