"""Drift: where hosts differ from what the ledger says, from when it was found until it was gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from tasks.ledger.models import DRIFT
from tasks.ledger.records import DriftRecord
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from blocks.values.drift import Difference

_ROW = DRIFT.c


class Drift(Rows[DriftRecord]):
    """The differences a ledger knows."""

    table = DRIFT
    kind = DriftRecord

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

        Returns:
            What stands now on all hosts, oldest first.
        """
        seen = {(one.host, one.kind, one.subject): one for one in differences}
        with self._database.writing() as connection:
            known = connection.execute(select(DRIFT).where(*_standing(pipeline, environment))).all()
            for row in known:
                found = seen.pop((row.host, row.kind, row.subject), None)
                if found is not None:
                    self._change_within(connection, _ROW.id == row.id, detail=found.detail, seen_at=now)
                elif row.host in hosts:
                    self._change_within(connection, _ROW.id == row.id, gone_at=now)
            for one in seen.values():
                values = {"pipeline": pipeline, "environment": environment, **one._asdict()}
                connection.execute(insert(DRIFT).values({**values, "found_at": now, "seen_at": now}))
        return self.standing(pipeline, environment)

    def standing(self, pipeline: str, environment: str) -> list[DriftRecord]:
        """Return the differences that stand, oldest first."""
        return self._all(*_standing(pipeline, environment))

    def pipelines(self, environment: str) -> list[str]:
        """Return the pipelines of which a difference stands in an environment of that name, sorted."""
        return sorted({row.pipeline for row in self._all(*_standing(None, environment))})


def _standing(pipeline: str | None, environment: str) -> list[ColumnElement[bool]]:
    place = [] if pipeline is None else [_ROW.pipeline == pipeline]
    return [*place, _ROW.environment == environment, _ROW.gone_at.is_(None)]
