"""Sizes and types of the live database, by which migrations are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.database.copies import ask_live
from tasks.kernel.errors import SluiceError
from tasks.kernel.logs import log

if TYPE_CHECKING:
    from tasks.steps.run import Run

# Tables with their sizes, and columns with their types; `public` is left out of the names, as in migrations.
_SHAPE = """
SELECT 'size', CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
    pg_total_relation_size(c.oid)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT 'type', CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname || '.' || a.attname,
    format_type(a.atttypid, a.atttypmod)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def read_shape(run: Run) -> list[tuple[str, str, str]]:
    """Read sizes and types of the live database; without them the verdicts are stricter, and stand too.

    Returns:
        Kind (`size` or `type`), table or column, and the size in bytes or the type; empty where it is not PostgreSQL
        that Sluice backs up, or it does not answer.
    """
    migration, backup = run.description.migration, run.policy.backup
    if migration is None or migration.dialect != "postgresql" or backup is None or not backup.built_in:
        return []
    try:
        return [(kind, name, value) for kind, name, value in ask_live(run, run.primary, _SHAPE)]
    except (SluiceError, ValueError) as error:
        log().warning("sizes and types of the tables are not known: %s", error)
        return []
