"""The holds: releases that may not come back into an environment until a person says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.ledger.errors import Conflict
from tasks.ledger.models import HOLDS
from tasks.ledger.records import Hold
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

_ROW = HOLDS.c


class Holds(Rows[Hold]):
    """The holds of a ledger's environments."""

    table = HOLDS
    kind = Hold

    def add(
        self, pipeline: str, environment: str, release_id: str, reason: str, by: str, now: datetime
    ) -> Hold:
        """Hold a release. Running it twice is safe: a hold that stands is returned as it is."""
        try:
            return self._add(
                pipeline=pipeline,
                environment=environment,
                release_id=release_id,
                reason=reason,
                created_by=by,
                created_at=now,
            )
        except Conflict:
            standing = [one for one in self.active(pipeline, environment) if one.release_id == release_id]
            # None: it was lifted this moment, by somebody who did not know of the new reason.
            return standing[0] if standing else self.add(pipeline, environment, release_id, reason, by, now)

    def active(self, pipeline: str, environment: str) -> list[Hold]:
        """Return the holds that stand in an environment, oldest first."""
        return self._all(*_standing(pipeline, environment))

    def release(self, pipeline: str, environment: str, reason: str, by: str, now: datetime) -> int:
        """Lift every hold that stands in an environment; say how many there were."""
        lifted = {"released_at": now, "released_by": by, "release_reason": reason}
        return len(self._change(*_standing(pipeline, environment), **lifted))


def _standing(pipeline: str, environment: str) -> tuple[ColumnElement[bool], ...]:
    return _ROW.pipeline == pipeline, _ROW.environment == environment, _ROW.released_at.is_(None)
