"""What a PostgreSQL database is asked, and reading its answers."""

# ruff: noqa: S608 - constant text

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tasks.database.commands.drill import DatabaseFacts, TableFact
from tasks.database.engine.protocols import ColumnFacts, DumpFacts, Question, SchemaFacts

if TYPE_CHECKING:
    from tasks.database.commands.shapes import Rows

# The revisions of Alembic, where it migrates the database; `psql` itself leaves out what cannot be asked.
REVISION = r"""
select to_regclass('alembic_version') is not null as versioned \gset
\if :versioned
select 'revision', version_num from alembic_version;
\endif
"""

_SCHEMA = "select 'bytes', pg_database_size(current_database());" + REVISION

# The revision, and per table how many rows its statistics count as inserted, updated and deleted, as JSON on one line:
# a name may hold any character. One round trip, and one moment for both.
_DUMP_FACTS = (
    REVISION
    + r"""
select 'counters', coalesce(json_object_agg(format('%I.%I', schemaname, relname),
  json_build_array(n_tup_ins, n_tup_upd, n_tup_del)), '{}')
from pg_stat_user_tables;
"""
)

# One snapshot, one round trip. Tables that an extension made are left out: they are no part of a dump. Waiting for a
# lock of the application, a drill gives up before it makes anybody wait.
_DATABASE_FACTS = (
    r"""
begin isolation level repeatable read read only;
set local lock_timeout = '30s';
set local max_parallel_workers_per_gather = 0;
select 'extension', extname, extversion from pg_extension order by 2;
select 'sequence', format('%I.%I', schemaname, sequencename), last_value from pg_sequences order by 2;
select 'objects', count(*) from pg_largeobject_metadata;
select 'counters', format('%I.%I', schemaname, relname), n_tup_ins, n_tup_del from pg_stat_user_tables order by 2;
"""
    + REVISION
    + r"""
select 'table', format('%I.%I', n.nspname, c.relname), c.relkind, c.relispartition
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^(pg_|information_schema$)' and c.relpersistence <> 't'
  and not exists (
    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 2;
select format('select %L, %L, count(*) from only %I.%I', 'rows', format('%I.%I', n.nspname, c.relname),
  n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and c.relispopulated and n.nspname !~ '^(pg_|information_schema$)'
  and c.relpersistence <> 't' and not exists (
    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1
\gexec
commit;
"""
)
_KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}

# Tables with their sizes, and columns with their types; `public` is left out of the names, as in migrations.
_COLUMN_FACTS = r"""
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


def read_revision(rows: Rows) -> str | None:
    """Return what `REVISION` answered: several heads joined by a comma, sorted; None without one."""
    return ",".join(sorted(row[1] for row in rows if row[0] == "revision")) or None


def _read_schema(rows: Rows) -> SchemaFacts:
    size = next((row[1] for row in rows if row[0] == "bytes"), "")
    return SchemaFacts(read_revision(rows), int(size) if size.isdigit() else None)


def _read_dump_facts(rows: Rows) -> DumpFacts:
    counted: dict[str, list[int]] = json.loads(next((row[1] for row in rows if row[0] == "counters"), "{}"))
    return DumpFacts(read_revision(rows), {table: (c[0], c[1], c[2]) for table, c in counted.items()})


def _read_column_facts(rows: Rows) -> ColumnFacts:
    return ColumnFacts(
        sizes={name: int(value) for kind, name, value in rows if kind == "size"},
        types={name: value for kind, name, value in rows if kind == "type"},
    )


def _read_database_facts(rows: Rows) -> DatabaseFacts:
    of = {kind: [row[1:] for row in rows if row[0] == kind] for kind in {row[0] for row in rows if row}}
    counts = {name: int(count) for name, count in of.get("rows", [])}
    return DatabaseFacts(
        tables={
            name: TableFact(_KINDS.get(kind, kind), partition == "t", counts.get(name))
            for name, kind, partition in of.get("table", [])
        },
        extensions={name: version for name, version in of.get("extension", [])},  # noqa: C416 - rows are lists
        sequences={name: int(last) if last else None for name, last in of.get("sequence", [])},
        objects=sum(int(count) for (count,) in of.get("objects", [])),
        revision=read_revision(rows),
        counters={name: (int(inserted), int(deleted)) for name, inserted, deleted in of.get("counters", [])},
    )


SCHEMA = Question(_SCHEMA, _read_schema)
DUMP_FACTS = Question(_DUMP_FACTS, _read_dump_facts)
DATABASE_FACTS = Question(_DATABASE_FACTS, _read_database_facts)
COLUMN_FACTS = Question(_COLUMN_FACTS, _read_column_facts)
