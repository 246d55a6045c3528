"""The SQL that compares two PostgreSQL databases row by row, without carrying their rows."""

# ruff: noqa: S608 - every name is quoted, and no value enters the SQL

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tasks.database.commands.shapes import DatabaseShape, Pair, Rows
from tasks.database.engine.protocols import Question

# What PostgreSQL prints of a default that is the same for every row.
_CONSTANT = re.compile(r"(?:'(?:[^']|'')*'|NULL)::[\w \".\[\](),]+|-?\d+(?:\.\d+)?|true|false")

# The same text for the same value, whatever the database or the login is set to.
_SAME_TEXT = """
set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set extra_float_digits = 1;
set bytea_output = 'hex'; set statement_timeout = 0; set lock_timeout = '30s';
set default_transaction_read_only = on;
"""

# Every table of the application, but a migration tool's own, with its columns (name, default) and its primary key:
# one JSON object a line.
_SHAPES = (
    _SAME_TEXT
    + r"""
select json_build_object(
  'name', format('%I.%I', n.nspname, c.relname),
  'columns', (
    select coalesce(json_object_agg(a.attname, pg_get_expr(d.adbin, d.adrelid) order by a.attnum), '{}')
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''),
  'key', (
    select coalesce(json_agg(a.attname order by array_position(i.indkey::int2[], a.attnum)), '[]')
    from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = c.oid and i.indisprimary))::text
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't'
  and c.relname not in ('alembic_version', 'django_migrations', 'flyway_schema_history', 'schema_migrations',
    'knex_migrations', 'knex_migrations_lock', '_prisma_migrations', 'goose_db_version', '__EFMigrationsHistory',
    'databasechangelog', 'databasechangeloglock')
  and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
  and not exists (
    select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e')
order by n.nspname, c.relname;
"""
)


def _read_shapes(rows: Rows) -> dict[str, DatabaseShape]:
    shapes = [DatabaseShape.model_validate(json.loads(row[0])) for row in rows if row and row[0].strip()]
    return {shape.name: shape for shape in shapes}


SHAPES = Question(_SHAPES, _read_shapes)


def totals(compared: Sequence[Pair]) -> str:
    """Return SQL that answers `TABLE ROWS CHECKSUM`."""
    return _as_one(
        [
            f"select {at}, count(*), {_summed(_row(pair))} from only {pair.name}"
            for at, pair in enumerate(compared)
        ]
    )


def groups(compared: Sequence[Pair], count: int) -> str:
    """Return SQL that answers `TABLE GROUP ROWS CHECKSUM`."""
    return _as_one(
        [
            f"select {at}, {_key(pair)} & {count - 1}, count(*), sum({_row(pair)}::numeric) "
            f"from only {pair.name} group by 2"
            for at, pair in enumerate(compared)
        ]
    )


def rows(compared: Sequence[Pair], count: int, groups: Sequence[Sequence[int]]) -> str:
    """Return SQL that answers `TABLE KEY CHECKSUM` of each row in some of each table's groups."""
    return _as_one(
        [
            f"select {at}, {_key(pair)}, {_row(pair)} from only {pair.name} "
            f"where {_key(pair)} & {count - 1} in ({', '.join(map(str, groups[at]))})"
            for at, pair in enumerate(compared)
        ]
    )


def contents(shapes: Sequence[DatabaseShape], gone: Sequence[Pair]) -> str:
    """Return SQL that answers `TABLE COLUMN ROWS CHECKSUM` of whole tables (column -1) and of columns."""
    selects = [
        f"select {at}, -1, count(*), {_summed(_checksum(tuple(sorted(shape.columns))))} from only {shape.name}"
        for at, shape in enumerate(shapes)
    ]
    for at, pair in enumerate(gone):
        selects += [
            f"select {at + len(shapes)}, {column}, "
            f"count(*) filter (where {_quoted(name)}::text is distinct from ({_constant(default)})::text), "
            f"{_summed(_checksum((*pair.key, name)))} from only {pair.name}"
            for column, (name, default) in enumerate(pair.gone.items())
        ]
    return _as_one(selects)


def _row(pair: Pair) -> str:
    return _checksum(pair.columns)


def _key(pair: Pair) -> str:
    return _checksum(pair.key or pair.columns)


def _as_one(selects: Sequence[str]) -> str:
    if not selects:
        return "select where false;\n"
    return _SAME_TEXT + "\nunion all\n".join(f"({select})" for select in selects) + ";\n"


def _checksum(columns: Sequence[str]) -> str:
    """Return the SQL of a row's checksum over some of its columns."""
    return f"hashtextextended(row({', '.join(map(_quoted, columns))})::text, 0)"


def _summed(each: str) -> str:
    """Return the SQL of a table's checksum, whatever the order of its rows."""
    return f"coalesce(sum({each}::numeric), 0)"


def _constant(default: str | None) -> str:
    """Return a default as SQL where it is the same for every row; any other is not evaluated."""
    return default if default is not None and _CONSTANT.fullmatch(default) else "null"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
