"""Alembic's environment: one connection, given by the caller, within the caller's transaction."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from tasks.ledger.models import METADATA, VERSION_TABLE


def _as_stored(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Draft a migration with the stored type: a released migration must not follow the code's own types."""
    return f"sa.{item.impl!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


connection: Any = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    # An application or Prefect may keep its own `alembic_version` in the same database.
    version_table=VERSION_TABLE,
    # SQLite alters few things in place; the batch mode makes the table anew.
    render_as_batch=True,
    render_item=_as_stored,
    # Half a migration must not stay on SQLite either; `tasks.ledger.database` begins the transaction itself.
    transactional_ddl=True,
)
context.run_migrations()
