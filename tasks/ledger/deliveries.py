"""The deliveries of GitHub's webhooks: taken in once, decided once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from blocks.values.deliveries import DELIVERY_ENDED, MISSED, DeliveryStatus
from tasks.kernel.errors import TerminalError
from tasks.ledger.delivery_records import DeliveryRecord
from tasks.ledger.models import DeliveryRow
from tasks.ledger.starts import add_start, fold_starts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from blocks.values.deliveries import Arrived, Start
    from tasks.ledger.database import Database

Taken = Literal["stored", "repeated", "copied"]
REPLAYED = "replayed by hand"


class Deliveries:
    """The deliveries of a ledger.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_in(self, arrived: Sequence[Arrived], now: datetime) -> list[Taken]:
        """Store deliveries, all in one transaction. Running it twice is safe: an id is stored once.

        A signature covers the body and not the id. So a body that came before under another id is somebody's copy: it
        is recorded and starts nothing.

        Args:
            arrived: The deliveries, in the order they came.
            now: The present time, UTC.

        Returns:
            For each: stored, repeated (the id was known), or copied (the body was).
        """
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        new = insert(DeliveryRow).on_conflict_do_nothing().returning(DeliveryRow.delivery)
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
        """Return the deliveries to decide about now, in the order they came.

        Args:
            now: The present time, UTC.
            without: Repositories that are left alone.
        """
        undecided = (DeliveryRow.status == DeliveryStatus.RECEIVED, DeliveryRow.repository.not_in(without))
        due = DeliveryRow.next_try_at.is_(None) | (DeliveryRow.next_try_at <= now)
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
            reason: One line for a person.
            superseded: The pending starts whose place these take.
            status: The delivery's status where it starts nothing.
            now: The present time, UTC.

        Returns:
            False where somebody else decided meanwhile.
        """
        status = DeliveryStatus.ACCEPTED if starts else status or DeliveryStatus.IGNORED
        with self._database.writing() as connection:
            decided = connection.execute(
                update(DeliveryRow)
                .where(DeliveryRow.id == row.id, DeliveryRow.status == DeliveryStatus.RECEIVED)
                .values(status=status, reason=reason, next_try_at=None, updated_at=now)
            )
            if not decided.rowcount:
                return False
            for start in starts:
                add_start(connection, row, start, now)
            fold_starts(connection, superseded, f"superseded by delivery {row.delivery}", now)
        return True

    def put_off(self, rows: Collection[int], reason: str, until: datetime | None, now: datetime) -> None:
        """Leave deliveries for later, because something they need does not answer.

        Args:
            until: Not before this time, UTC; None: as soon as it answers.
            now: The present time, UTC.
        """
        with self._database.writing() as connection:
            connection.execute(
                update(DeliveryRow)
                .where(DeliveryRow.id.in_(rows))
                .values(attempts=DeliveryRow.attempts + 1, reason=reason, next_try_at=until, updated_at=now)
            )

    def replay(self, delivery: str, now: datetime) -> DeliveryRecord:
        """Have a delivery decided anew; what it starts are new runs.

        Args:
            now: The present time, UTC.

        Returns:
            The delivery, received again.

        Raises:
            TerminalError: There is none of that id, or it is being dealt with.
        """
        with self._database.writing() as connection:
            found = connection.execute(
                update(DeliveryRow)
                .where(DeliveryRow.delivery == delivery, DeliveryRow.status.in_(DELIVERY_ENDED))
                .values(
                    status=DeliveryStatus.RECEIVED,
                    reason=REPLAYED,
                    replays=DeliveryRow.replays + 1,
                    attempts=0,
                    next_try_at=None,
                    updated_at=now,
                )
                .returning(DeliveryRow)
            ).one_or_none()
        if found is not None:
            return DeliveryRecord.of(found)
        if self.get(delivery) is None:
            raise TerminalError(f"the ledger has no delivery {delivery}", "see `sluice deliveries`")
        raise TerminalError(f"delivery {delivery} is already being handled", "see `sluice deliveries`")

    def get(self, delivery: str) -> DeliveryRecord | None:
        """Return a delivery by GitHub's id, None where there is none."""
        found = self._all(DeliveryRow.delivery == delivery)
        return found[0] if found else None

    def newest(self, limit: int) -> list[DeliveryRecord]:
        """Return the deliveries that came last, the newest first."""
        query = select(DeliveryRow).order_by(DeliveryRow.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [DeliveryRecord.of(row) for row in connection.execute(query)]

    def pushes_of(self, repository: str, sha: str) -> list[DeliveryRecord]:
        """Return the pushes that brought a commit, oldest first."""
        return self._all(
            DeliveryRow.repository == repository, DeliveryRow.sha == sha, DeliveryRow.event == "push"
        )

    def merges_of(self, repository: str, sha: str) -> list[DeliveryRecord]:
        """Return the closed pull requests whose merge made a commit, oldest first."""
        return self._all(
            DeliveryRow.repository == repository,
            DeliveryRow.sha == sha,
            DeliveryRow.event == "pull_request",
            DeliveryRow.action == "closed",
        )

    def pushes_to(self, repository: str, ref: str) -> list[DeliveryRecord]:
        """Return the pushes to a branch, oldest first; one that GitHub did not deliver is there by its sender.

        Args:
            repository: The repository, `owner/name`; its case does not matter.
            ref: The branch, as `refs/heads/…`.
        """
        return self._all(
            func.lower(DeliveryRow.repository) == repository.lower(),
            DeliveryRow.ref == ref,
            DeliveryRow.event.in_(("push", MISSED)),
        )

    def pull_request(self, repository: str, number: int) -> DeliveryRecord | None:
        """Return what was told last about a pull request, None where nothing was."""
        found = self._all(
            DeliveryRow.repository == repository,
            DeliveryRow.number == number,
            DeliveryRow.event == "pull_request",
        )
        return found[-1] if found else None

    def known_refs(self, repository: str) -> dict[str, str]:
        """Return which commit each branch and tag was last told to be at: `refs/…` → commit."""
        newest = (
            select(func.max(DeliveryRow.id))
            .where(
                DeliveryRow.repository == repository,
                DeliveryRow.event.in_(("push", MISSED)),
                DeliveryRow.ref != "",
                DeliveryRow.sha != "",
            )
            .group_by(DeliveryRow.ref)
        )
        query = select(DeliveryRow.ref, DeliveryRow.sha).where(DeliveryRow.id.in_(newest))
        with self._database.reading() as connection:
            return dict(connection.execute(query).tuples().all())

    def counts(self) -> dict[DeliveryStatus, int]:
        """Return how many deliveries stand where."""
        query = select(DeliveryRow.status, func.count()).group_by(DeliveryRow.status)
        with self._database.reading() as connection:
            return {DeliveryStatus(status): number for status, number in connection.execute(query)}

    def _all(self, *wanted: ColumnElement[bool], limit: int | None = None) -> list[DeliveryRecord]:
        query = select(DeliveryRow).where(*wanted).order_by(DeliveryRow.id).limit(limit)
        with self._database.reading() as connection:
            return [DeliveryRecord.of(row) for row in connection.execute(query)]


def _originals(connection: Connection, arrived: Sequence[Arrived]) -> dict[str, str]:
    """Return under which id each body came first: digest → delivery."""
    query = (
        select(DeliveryRow.digest, DeliveryRow.delivery)
        .where(DeliveryRow.digest.in_({one.digest for one in arrived}))
        .order_by(DeliveryRow.id.desc())
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
