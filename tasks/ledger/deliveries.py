"""The deliveries of GitHub's webhooks: taken in once, decided once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from blocks.values.deliveries import DELIVERY_ENDED, MISSED, DeliveryStatus
from tasks.kernel.errors import TerminalError
from tasks.ledger.delivery_records import DeliveryRecord
from tasks.ledger.models import DELIVERIES
from tasks.ledger.rows import Rows
from tasks.ledger.starts import add_start, fold_starts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from blocks.values.deliveries import Arrived, Start

Taken = Literal["stored", "repeated", "copied"]
REPLAYED = "replayed by hand"

_ROW = DELIVERIES.c
_PUSHES = ("push", MISSED)


class Deliveries(Rows[DeliveryRecord]):
    """The deliveries of a ledger."""

    table = DELIVERIES
    kind = DeliveryRecord

    def take_in(self, arrived: Sequence[Arrived], now: datetime) -> list[Taken]:
        """Store deliveries, all in one transaction. Running it twice is safe: an id is stored once.

        A signature covers the body and not the id. So a body that came before under another id is somebody's copy: it
        is recorded and starts nothing.

        Returns:
            For each: stored, repeated (the id was known), or copied (the body was).
        """
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        new = insert(DELIVERIES).on_conflict_do_nothing().returning(_ROW.delivery)
        with self._database.writing() as connection:
            originals = _originals(connection, arrived)
            rows = [_row(one, originals[one.digest], now) for one in arrived]
            stored = set(connection.execute(new, rows).scalars())
        answers: list[Taken] = []
        for one in arrived:
            if one.delivery not in stored:
                answers.append("repeated")
                continue
            # Of the same id twice in one batch the first was stored.
            stored.remove(one.delivery)
            answers.append("stored" if originals[one.digest] == one.delivery else "copied")
        return answers

    def waiting(self, now: datetime, without: Collection[str] = (), limit: int = 200) -> list[DeliveryRecord]:
        """Return the deliveries to decide about now, in the order they came."""
        undecided = (_ROW.status == DeliveryStatus.RECEIVED, _ROW.repository.not_in(without))
        due = _ROW.next_try_at.is_(None) | (_ROW.next_try_at <= now)
        return self._all(*undecided, due, limit=limit)

    def decide(
        self,
        row: DeliveryRecord,
        starts: Sequence[Start],
        reason: str,
        *,
        superseded: Collection[int] = (),
        status: DeliveryStatus | None = None,
        now: datetime,
    ) -> bool:
        """Write down what a delivery starts. Running it twice is safe: only a received one is decided.

        Args:
            starts: What it starts; nothing: it is ignored, unless a status is given.
            superseded: The pending starts whose place these take.

        Returns:
            False where somebody else decided meanwhile.
        """
        status = DeliveryStatus.ACCEPTED if starts else status or DeliveryStatus.IGNORED
        with self._database.writing() as connection:
            undecided = (_ROW.id == row.id, _ROW.status == DeliveryStatus.RECEIVED)
            values = {"status": status, "reason": reason, "next_try_at": None, "updated_at": now}
            if not self._change_within(connection, *undecided, **values):
                return False
            for start in starts:
                add_start(connection, row, start, now)
            fold_starts(connection, superseded, f"superseded by delivery {row.delivery}", now)
        return True

    def put_off(self, rows: Collection[int], reason: str, until: datetime | None, now: datetime) -> None:
        """Leave deliveries until a time, or until what they need answers again, for a reason."""
        later = {"attempts": _ROW.attempts + 1, "reason": reason, "next_try_at": until}
        self._change(_ROW.id.in_(rows), **later, updated_at=now)

    def replay(self, delivery: str, now: datetime) -> DeliveryRecord:
        """Have a delivery decided anew; what it starts are new runs.

        Raises:
            TerminalError: There is none of that id, or it is being dealt with.
        """
        received = self._change_one(
            _ROW.delivery == delivery,
            _ROW.status.in_(DELIVERY_ENDED),
            status=DeliveryStatus.RECEIVED,
            reason=REPLAYED,
            replays=_ROW.replays + 1,
            attempts=0,
            next_try_at=None,
            updated_at=now,
        )
        if received is not None:
            return received
        if self.get(delivery) is None:
            raise TerminalError(f"the ledger has no delivery {delivery}", "see `sluice deliveries`")
        raise TerminalError(f"delivery {delivery} is already being handled", "see `sluice deliveries`")

    def get(self, delivery: str) -> DeliveryRecord | None:
        """Return a delivery by GitHub's id, None where there is none."""
        return self._first(_ROW.delivery == delivery)

    def newest(self, limit: int) -> list[DeliveryRecord]:
        """Return the deliveries that came last, the newest first."""
        return self._all(order=[_ROW.id.desc()], limit=limit)

    def pushes_of(self, repository: str, sha: str) -> list[DeliveryRecord]:
        """Return the pushes that brought a commit, oldest first."""
        return self._all(_ROW.repository == repository, _ROW.sha == sha, _ROW.event == "push")

    def merges_of(self, repository: str, sha: str) -> list[DeliveryRecord]:
        """Return the closed pull requests whose merge made a commit, oldest first."""
        closed = (_ROW.event == "pull_request", _ROW.action == "closed")
        return self._all(_ROW.repository == repository, _ROW.sha == sha, *closed)

    def pushes_to(self, repository: str, ref: str) -> list[DeliveryRecord]:
        """Return the pushes to `refs/heads/…`, oldest first, of a repository whose name may be in any case."""
        there = func.lower(_ROW.repository) == repository.lower()
        return self._all(there, _ROW.ref == ref, _ROW.event.in_(_PUSHES))

    def pull_request(self, repository: str, number: int) -> DeliveryRecord | None:
        """Return what was told last about a pull request, None where nothing was."""
        told = (_ROW.repository == repository, _ROW.number == number, _ROW.event == "pull_request")
        return self._first(*told, order=[_ROW.id.desc()])

    def known_refs(self, repository: str) -> dict[str, str]:
        """Return which commit each branch and tag was last told to be at: `refs/…` → commit."""
        pushed = (_ROW.repository == repository, _ROW.event.in_(_PUSHES), _ROW.ref != "", _ROW.sha != "")
        newest = select(func.max(_ROW.id)).where(*pushed).group_by(_ROW.ref)
        return self._pairs(_ROW.ref, _ROW.sha, _ROW.id.in_(newest))

    def counts(self) -> dict[DeliveryStatus, int]:
        """Return how many deliveries stand where."""
        query = select(_ROW.status, func.count()).group_by(_ROW.status)
        with self._database.reading() as connection:
            return {DeliveryStatus(status): number for status, number in connection.execute(query)}


def _originals(connection: Connection, arrived: Sequence[Arrived]) -> dict[str, str]:
    """Return under which id each body came first: digest → delivery."""
    query = (
        select(_ROW.digest, _ROW.delivery)
        .where(_ROW.digest.in_({one.digest for one in arrived}))
        .order_by(_ROW.id.desc())
    )
    found = dict(connection.execute(query).tuples().all())
    return {one.digest: one.delivery for one in reversed(arrived)} | found


def _row(one: Arrived, original: str, now: datetime) -> dict[str, object]:
    copied = f"the same body was received before, as delivery {original}" if original != one.delivery else ""
    refusal = one.refusal or copied
    return {
        **one.model_dump(exclude={"refusal"}),
        "status": DeliveryStatus.IGNORED if refusal else DeliveryStatus.RECEIVED,
        "reason": refusal,
        "attempts": 0,
        "replays": 0,
        "received_at": now,
        "updated_at": now,
    }
