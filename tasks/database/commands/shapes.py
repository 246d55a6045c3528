"""PURE: the shapes of two databases' tables, and the SQL that looks into their rows without carrying them."""

# ruff: noqa: S608 - every name is quoted, and no value enters the SQL

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from blocks.values.base import Value

Rows = Sequence[Sequence[str]]

# What PostgreSQL prints of a default that is the same for every row.
_CONSTANT = re.compile(r"(?:'(?:[^']|'')*'|NULL)::[\w \".\[\](),]+|-?\d+(?:\.\d+)?|true|false")

# The same text for the same value, whatever the database or the login is set to.
SAME_TEXT = """
set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set extra_float_digits = 1;
set bytea_output = 'hex'; set statement_timeout = 0; set lock_timeout = '30s';
set default_transaction_read_only = on;
"""

# Every table of the application, but a migration tool's own, with its columns (name, default) and its primary key:
# one JSON object a line.
SHAPES = (
    SAME_TEXT
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


class DatabaseShape(Value):
    """A table's shape.

    Attributes:
        name: Schema and name, quoted where SQL needs it.
        columns: Column → the SQL of its default, None without one; in the table's order.
        key: The columns of its primary key, empty without one.
    """

    name: str
    columns: dict[str, str | None]
    key: tuple[str, ...] = ()


class Pair(Value):
    """A table that both databases have.

    Attributes:
        name: Schema and name.
        columns: The columns both have.
        key: What tells its rows apart; empty where they are told apart by their whole content.
        gone: The columns only the first database has, each with its default.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    gone: dict[str, str | None]


def read_shapes(rows: Rows) -> dict[str, DatabaseShape]:
    """Read what `SHAPES` printed.

    Returns:
        Table → shape.
    """
    shapes = [DatabaseShape.model_validate(json.loads(row[0])) for row in rows if row and row[0].strip()]
    return {shape.name: shape for shape in shapes}


def pairs(first: Mapping[str, DatabaseShape], second: Mapping[str, DatabaseShape]) -> tuple[Pair, ...]:
    """Return the tables both databases have, with what of them can be compared."""
    return tuple(_pair(first[name], second[name]) for name in first if name in second)


def _pair(first: DatabaseShape, second: DatabaseShape) -> Pair:
    same_key = first.key if first.key == second.key and set(first.key) <= set(second.columns) else ()
    return Pair(
        name=first.name,
        columns=tuple(sorted(name for name in first.columns if name in second.columns)),
        key=same_key,
        gone={name: default for name, default in first.columns.items() if name not in second.columns},
    )


def as_one(selects: Sequence[str]) -> str:
    """Return SQL that answers all of the selects as one; with none it answers nothing."""
    if not selects:
        return "select where false;\n"
    return SAME_TEXT + "\nunion all\n".join(f"({select})" for select in selects) + ";\n"


def checksum(columns: Sequence[str]) -> str:
    """Return the SQL of a row's checksum over some of its columns."""
    return f"hashtextextended(row({', '.join(map(quoted, columns))})::text, 0)"


def summed(each: str) -> str:
    """Return the SQL of a table's checksum, whatever the order of its rows."""
    return f"coalesce(sum({each}::numeric), 0)"


def constant(default: str | None) -> str:
    """Return a default as SQL where it is the same for every row; any other is not evaluated."""
    return default if default is not None and _CONSTANT.fullmatch(default) else "null"


def quoted(name: str) -> str:
    """Return a name as SQL."""
    return '"' + name.replace('"', '""') + '"'
