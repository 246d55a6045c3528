"""The rows with a receipt: which dumps were taken, which were proven, which migrations were rehearsed on a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from sqlalchemy import select, update

from blocks.values.base import Value
from blocks.values.evidence import DrillReceipt, RehearsalReceipt
from blocks.values.receipts import BackupReceipt
from tasks.ledger.models import BACKUPS, DRILLS, REHEARSALS
from tasks.ledger.records import BackupRecord, DrillRecord, ReceiptRecord, RehearsalRecord
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from datetime import datetime

R = TypeVar("R", bound=ReceiptRecord)
V = TypeVar("V", bound=Value)


class _Receipts(Rows[R], Generic[R, V]):
    """Rows that keep a receipt of something done to an environment's database."""

    # How many are given out where nobody says how many.
    most: ClassVar[int | None] = None

    def add(
        self, *, promotion_id: int | None, pipeline: str, environment: str, receipt: V, now: datetime
    ) -> R:
        """Record a receipt; `promotion_id` is None only for a drill on schedule."""
        return self._add(
            promotion_id=promotion_id,
            pipeline=pipeline,
            environment=environment,
            receipt=receipt,
            created_at=now,
            **self._derived(receipt),
        )

    def of(self, pipeline: str, environment: str, *, limit: int | None = None) -> list[R]:
        """Return an environment's rows, newest first."""
        row = self.table.c
        return self._all(
            row.pipeline == pipeline,
            row.environment == environment,
            order=[row.id.desc()],
            limit=limit or self.most,
        )

    def _derived(self, receipt: V) -> dict[str, object]:  # noqa: ARG002
        """Return the columns whose values follow from the receipt."""
        return {}


class Backups(_Receipts[BackupRecord, BackupReceipt]):
    """The database dumps a ledger knows."""

    table = BACKUPS
    kind = BackupRecord

    def note_copy(self, promotion_id: int, path: str, copy: str) -> None:
        """Note where else a dump is. Running it twice changes nothing; a dump the ledger does not know is left out."""
        mine = select(BACKUPS).where(BACKUPS.c.promotion_id == promotion_id).with_for_update()
        with self._database.writing() as connection:
            for record in map(BackupRecord.of, connection.execute(mine).all()):
                receipt = record.receipt
                if receipt.path == path and copy not in receipt.copies:
                    noted = receipt.model_copy(update={"copies": (*receipt.copies, copy)})
                    change = update(BACKUPS).where(BACKUPS.c.id == record.id)
                    connection.execute(change.values(receipt=noted))


class Drills(_Receipts[DrillRecord, DrillReceipt]):
    """The dumps that were restored and compared."""

    table = DRILLS
    kind = DrillRecord
    most = 50

    def _derived(self, receipt: DrillReceipt) -> dict[str, object]:
        return {"passed": receipt.passed}


class Rehearsals(_Receipts[RehearsalRecord, RehearsalReceipt]):
    """The migrations that were tried on a copy."""

    table = REHEARSALS
    kind = RehearsalRecord
    most = 50

    def last_of(self, promotion_id: int) -> RehearsalRecord | None:
        """Return a promotion's newest rehearsal, None where it has none."""
        return self._first(REHEARSALS.c.promotion_id == promotion_id, order=[REHEARSALS.c.id.desc()])
