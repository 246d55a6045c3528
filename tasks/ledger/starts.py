"""The flow runs that deliveries ask for: written down before Prefect is asked, and asked for until it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, func, insert, not_, select, update

from blocks.values.deliveries import DeliveryStatus, StartStatus
from tasks.ledger.delivery_records import StartRecord
from tasks.ledger.models import DELIVERIES, STARTS
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from blocks.values.deliveries import Start
    from tasks.ledger.delivery_records import DeliveryRecord

# A repository and an environment.
Place = tuple[str, str]

_ROW = STARTS.c
_TAKEN = (StartStatus.PENDING, StartStatus.STARTED)
_PENDING = _ROW.status == StartStatus.PENDING


class Starts(Rows[StartRecord]):
    """The starts of a ledger."""

    table = STARTS
    kind = StartRecord

    def pending(self, without: Collection[Place] = (), limit: int | None = None) -> list[StartRecord]:
        """Return the starts Prefect has not got yet, in the order they were decided."""
        open_ones = [not_(and_(_ROW.repository == one, _ROW.environment == two)) for one, two in without]
        return self._all(_PENDING, *open_ones, limit=limit)

    def pending_of(self, repository: str, branches: Collection[str]) -> list[StartRecord]:
        """Return the starts of some branches of `owner/name` that Prefect has not got yet."""
        return self._all(_PENDING, _ROW.repository == repository, _ROW.branch.in_(branches))

    def of(self, deliveries: Collection[int]) -> list[StartRecord]:
        """Return what some deliveries start, oldest first."""
        return self._all(_ROW.delivery_id.in_(deliveries))

    def latest_commits(self, repository: str) -> dict[str, str]:
        """Return the last commit that was or will be promoted by its own event: environment → commit."""
        taken = (_ROW.repository == repository, _ROW.by_commit, _ROW.status.in_(_TAKEN))
        newest = select(func.max(_ROW.id)).where(*taken).group_by(_ROW.environment)
        return self._pairs(_ROW.environment, _ROW.sha, _ROW.id.in_(newest))

    def started(self, start: StartRecord, flow_run_id: str, now: datetime) -> None:
        """Write down that Prefect has the run."""
        self._end(start, now, status=StartStatus.STARTED, reason="", flow_run_id=flow_run_id)

    def failed(self, start: StartRecord, reason: str, now: datetime) -> None:
        """Write down that Prefect refuses the run, and why in one line for a person."""
        self._end(start, now, status=StartStatus.FAILED, reason=reason, flow_run_id=None)

    def put_off(self, start: StartRecord, reason: str, until: datetime, now: datetime) -> None:
        """Leave a start for later, and not before `until`, because Prefect does not answer."""
        later = {"attempts": _ROW.attempts + 1, "reason": reason, "next_try_at": until}
        self._change(_ROW.id == start.id, _PENDING, **later, updated_at=now)

    def _end(self, start: StartRecord, now: datetime, **values: object) -> None:
        with self._database.writing() as connection:
            _end_pending(connection, [start.id], now, **values)
            _settle(connection, [start.delivery_id], now)


def start_key(row: DeliveryRecord, start: Start) -> str:
    """Return Prefect's idempotency key of a start: delivery, environment and kind, and which replay it is."""
    again = f":replay-{row.replays}" if row.replays else ""
    return f"{row.delivery}:{start.kind.value}/{start.environment}{again}"


def add_start(connection: Connection, row: DeliveryRecord, start: Start, now: datetime) -> None:
    """Write a start down, within the transaction that decides about its delivery."""
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
    connection.execute(insert(STARTS).values(values))


def fold_starts(connection: Connection, starts: Collection[int], reason: str, now: datetime) -> None:
    """Give up starts that Prefect has not got, because a newer one takes their place."""
    if starts:
        folded = _end_pending(connection, starts, now, status=StartStatus.FOLDED, reason=reason)
        _settle(connection, folded, now)


def _end_pending(
    connection: Connection, starts: Collection[int], now: datetime, **values: object
) -> list[int]:
    """End those starts that are pending; return the deliveries they are of, sorted."""
    end = update(STARTS).where(_ROW.id.in_(starts), _PENDING)
    ended = end.values(**values, next_try_at=None, updated_at=now).returning(_ROW.delivery_id)
    return sorted(set(connection.execute(ended).scalars()))


def _settle(connection: Connection, deliveries: Sequence[int], now: datetime) -> None:
    """End the deliveries all of whose starts have ended."""
    for delivery in deliveries:
        query = select(_ROW.status, _ROW.reason).where(_ROW.delivery_id == delivery)
        found = [(StartStatus(status), reason) for status, reason in connection.execute(query)]
        statuses = {status for status, _ in found}
        if StartStatus.PENDING in statuses:
            continue
        worst = next(one for one in _WORST_FIRST if one in statuses)
        values = {"status": _ENDS[worst], "updated_at": now}
        if said := "; ".join(dict.fromkeys(reason for _, reason in found if reason)):
            values["reason"] = said
        connection.execute(
            update(DELIVERIES)
            .where(DELIVERIES.c.id == delivery, DELIVERIES.c.status == DeliveryStatus.ACCEPTED)
            .values(values)
        )


_ENDS = {
    StartStatus.FAILED: DeliveryStatus.FAILED,
    StartStatus.STARTED: DeliveryStatus.STARTED,
    StartStatus.FOLDED: DeliveryStatus.FOLDED,
}
_WORST_FIRST = (StartStatus.FAILED, StartStatus.STARTED, StartStatus.FOLDED)
