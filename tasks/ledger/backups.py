"""The backups: which dumps were taken, by which promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from tasks.ledger.models import BackupRow
from tasks.ledger.records import BackupRecord

if TYPE_CHECKING:
    from datetime import datetime

    from blocks.values.receipts import BackupReceipt
    from tasks.ledger.database import Database


class Backups:
    """The database dumps a ledger knows.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, *, promotion_id: int, pipeline: str, environment: str, receipt: BackupReceipt, now: datetime
    ) -> BackupRecord:
        """Record a dump.

        Args:
            promotion_id: The promotion that took it.
            receipt: Where it is, how large, its checksum and revision.
            now: The present time, UTC.

        Returns:
            The dump as recorded.
        """
        values = {
            "promotion_id": promotion_id,
            "pipeline": pipeline,
            "environment": environment,
            "receipt": receipt.to_json(),
            "created_at": now,
        }
        with self._database.writing() as connection:
            row = connection.execute(insert(BackupRow).values(values).returning(BackupRow)).one()
        return BackupRecord.of(row)

    def note_copy(self, promotion_id: int, path: str, copy: str) -> None:
        """Note where else a dump is. Running it twice changes nothing; a dump the ledger does not know is left out.

        Args:
            promotion_id: The promotion that took it.
            path: Its path on its host.
        """
        mine = select(BackupRow).where(BackupRow.promotion_id == promotion_id).with_for_update()
        with self._database.writing() as connection:
            for record in map(BackupRecord.of, connection.execute(mine).all()):
                receipt = record.receipt
                if receipt.path == path and copy not in receipt.copies:
                    noted = receipt.model_copy(update={"copies": (*receipt.copies, copy)})
                    change = update(BackupRow).where(BackupRow.id == record.id)
                    connection.execute(change.values(receipt=noted.to_json()))

    def of(self, pipeline: str, environment: str) -> list[BackupRecord]:
        """Return an environment's dumps, newest first."""
        query = select(BackupRow).where(BackupRow.pipeline == pipeline, BackupRow.environment == environment)
        with self._database.reading() as connection:
            return [BackupRecord.of(row) for row in connection.execute(query.order_by(BackupRow.id.desc()))]
