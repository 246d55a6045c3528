"""The backups: which dumps were taken, by which promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

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
            pipeline: The pipeline's name.
            environment: The environment's name.
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

    def of(self, pipeline: str, environment: str) -> list[BackupRecord]:
        """Return an environment's dumps, newest first."""
        query = select(BackupRow).where(BackupRow.pipeline == pipeline, BackupRow.environment == environment)
        with self._database.reading() as connection:
            return [BackupRecord.of(row) for row in connection.execute(query.order_by(BackupRow.id.desc()))]
