"""The database engines there are, and which one an application has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.database.postgresql import POSTGRESQL

if TYPE_CHECKING:
    from blocks.pipeline import Migration
    from tasks.database.engine.protocols import DatabaseEngine

_DEFAULT = "postgresql"
# By the name that `migration.dialect` has for them.
ENGINES: dict[str, DatabaseEngine] = {_DEFAULT: POSTGRESQL}


def engine_of(migration: Migration | None) -> DatabaseEngine:
    """Return the engine of the database that is dumped; of a dialect nobody knows, PostgreSQL's."""
    return ENGINES.get(migration.dialect if migration else "", ENGINES[_DEFAULT])


def judge_of(migration: Migration) -> DatabaseEngine | None:
    """Return the engine that can judge the migrations; None for a dialect nobody knows."""
    return ENGINES.get(migration.dialect)
