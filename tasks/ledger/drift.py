"""Drift: where hosts differ from what the ledger says, from when it was found until it was gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from blocks.values.drift import Difference
from tasks.ledger.models import DriftRow
from tasks.ledger.records import DriftRecord

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from tasks.ledger.database import Database

__all__ = ["Difference", "Drift"]


class Drift:
    """The differences a ledger knows.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def see(
        self,
        pipeline: str,
        environment: str,
        hosts: Collection[str],
        differences: Collection[Difference],
        now: datetime,
    ) -> list[DriftRecord]:
        """Record what differs now; what stood before on the hosts that were read and is not seen any more is gone.

        Args:
            hosts: The hosts that were read; what stands on others stays as it is.
            differences: What differs on them now.
            now: The present time, UTC.

        Returns:
            What stands now on all hosts, oldest first.
        """
        seen = {(one.host, one.kind, one.subject): one for one in differences}
        here = (DriftRow.pipeline == pipeline, DriftRow.environment == environment)
        with self._database.writing() as connection:
            known = connection.execute(select(DriftRow).where(*here, DriftRow.gone_at.is_(None))).all()
            for row in known:
                found = seen.pop((row.host, row.kind, row.subject), None)
                if found is not None:
                    values: dict[str, object] = {"detail": found.detail, "seen_at": now}
                elif row.host in hosts:
                    values = {"gone_at": now}
                else:
                    continue
                connection.execute(update(DriftRow).where(DriftRow.id == row.id).values(values))
            for one in seen.values():
                values = {"pipeline": pipeline, "environment": environment, **one._asdict()}
                connection.execute(
                    insert(DriftRow).values({**values, "found_at": now, "seen_at": now, "gone_at": None})
                )
        return self.standing(pipeline, environment)

    def standing(self, pipeline: str, environment: str) -> list[DriftRecord]:
        """Return the differences that stand, oldest first."""
        query = select(DriftRow).where(
            DriftRow.pipeline == pipeline, DriftRow.environment == environment, DriftRow.gone_at.is_(None)
        )
        with self._database.reading() as connection:
            return [DriftRecord.of(row) for row in connection.execute(query.order_by(DriftRow.id))]

    def pipelines(self, environment: str) -> list[str]:
        """Return the pipelines of which a difference stands in an environment of that name, sorted."""
        query = select(DriftRow.pipeline).where(
            DriftRow.environment == environment, DriftRow.gone_at.is_(None)
        )
        with self._database.reading() as connection:
            return sorted(set(connection.scalars(query)))
