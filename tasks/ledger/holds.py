"""The holds: releases that may not come back into an environment until a person says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from tasks.ledger.errors import Conflict
from tasks.ledger.models import HoldRow
from tasks.ledger.records import Hold

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from tasks.ledger.database import Database


class Holds:
    """The holds of a ledger's environments.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, pipeline: str, environment: str, release_id: str, reason: str, by: str, now: datetime
    ) -> Hold:
        """Hold a release. Running it twice is safe: a hold that stands is returned as it is.

        Args:
            by: Who or what holds it.
            now: The present time, UTC.
        """
        values = {
            "pipeline": pipeline,
            "environment": environment,
            "release_id": release_id,
            "reason": reason,
            "created_by": by,
            "created_at": now,
        }
        try:
            with self._database.writing() as connection:
                return Hold.of(connection.execute(insert(HoldRow).values(values).returning(HoldRow)).one())
        except Conflict:
            standing = [one for one in self.active(pipeline, environment) if one.release_id == release_id]
            # None: it was lifted this moment, by somebody who did not know of the new reason.
            return standing[0] if standing else self.add(pipeline, environment, release_id, reason, by, now)

    def active(self, pipeline: str, environment: str) -> list[Hold]:
        """Return the holds that stand in an environment, oldest first."""
        query = select(HoldRow).where(*_standing(pipeline, environment)).order_by(HoldRow.id)
        with self._database.reading() as connection:
            return [Hold.of(row) for row in connection.execute(query)]

    def release(self, pipeline: str, environment: str, reason: str, by: str, now: datetime) -> int:
        """Lift every hold that stands in an environment.

        Args:
            reason: Why they may be lifted.
            now: The present time, UTC.

        Returns:
            How many there were.
        """
        lifted = update(HoldRow).where(*_standing(pipeline, environment))
        values = {"released_at": now, "released_by": by, "release_reason": reason}
        with self._database.writing() as connection:
            return connection.execute(lifted.values(values)).rowcount


def _standing(pipeline: str, environment: str) -> tuple[ColumnElement[bool], ...]:
    return HoldRow.pipeline == pipeline, HoldRow.environment == environment, HoldRow.released_at.is_(None)
