"""The proofs: which dumps were restored and compared, which migrations were rehearsed on a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from tasks.ledger.models import DrillRow, RehearsalRow
from tasks.ledger.records import DrillRecord, RehearsalRecord

if TYPE_CHECKING:
    from datetime import datetime

    from blocks.values.evidence import DrillReceipt, RehearsalReceipt
    from tasks.ledger.database import Database


class Drills:
    """The drills a ledger knows.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        *,
        promotion_id: int | None,
        pipeline: str,
        environment: str,
        receipt: DrillReceipt,
        now: datetime,
    ) -> DrillRecord:
        """Record a drill.

        Args:
            promotion_id: The promotion it was part of, None for one on schedule.
            now: The present time, UTC.

        Returns:
            The drill as recorded.
        """
        values = {
            "promotion_id": promotion_id,
            "pipeline": pipeline,
            "environment": environment,
            "passed": receipt.passed,
            "receipt": receipt.to_json(),
            "created_at": now,
        }
        with self._database.writing() as connection:
            row = connection.execute(insert(DrillRow).values(values).returning(DrillRow)).one()
        return DrillRecord.of(row)

    def of(self, pipeline: str, environment: str, *, limit: int = 50) -> list[DrillRecord]:
        """Return an environment's drills, newest first."""
        query = select(DrillRow).where(DrillRow.pipeline == pipeline, DrillRow.environment == environment)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(DrillRow.id.desc()).limit(limit))
            return [DrillRecord.of(row) for row in rows]


class Rehearsals:
    """The rehearsals a ledger knows.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, *, promotion_id: int, pipeline: str, environment: str, receipt: RehearsalReceipt, now: datetime
    ) -> RehearsalRecord:
        """Record a rehearsal.

        Args:
            promotion_id: The promotion it was rehearsed for.
            now: The present time, UTC.

        Returns:
            The rehearsal as recorded.
        """
        values = {
            "promotion_id": promotion_id,
            "pipeline": pipeline,
            "environment": environment,
            "receipt": receipt.to_json(),
            "created_at": now,
        }
        with self._database.writing() as connection:
            row = connection.execute(insert(RehearsalRow).values(values).returning(RehearsalRow)).one()
        return RehearsalRecord.of(row)

    def of(self, pipeline: str, environment: str, *, limit: int = 50) -> list[RehearsalRecord]:
        """Return an environment's rehearsals, newest first."""
        query = select(RehearsalRow).where(
            RehearsalRow.pipeline == pipeline, RehearsalRow.environment == environment
        )
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(RehearsalRow.id.desc()).limit(limit))
            return [RehearsalRecord.of(row) for row in rows]

    def last_of(self, promotion_id: int) -> RehearsalRecord | None:
        """Return a promotion's newest rehearsal, None where it has none."""
        query = select(RehearsalRow).where(RehearsalRow.promotion_id == promotion_id)
        with self._database.reading() as connection:
            row = connection.execute(query.order_by(RehearsalRow.id.desc()).limit(1)).first()
        return RehearsalRecord.of(row) if row is not None else None
