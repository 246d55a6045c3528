"""PURE: the SQL that compares two databases row by row, without carrying their rows, and reading its answers.

Tables are compared in three rounds, each asked only about what the round before found to differ: one checksum for
each table, one for each of 4,096 groups of its rows, one for each row of these groups. Only columns that both
databases have are compared; a column that one of them lacks is told apart.
"""

# ruff: noqa: S608 - every name is quoted, and no value enters the SQL

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from blocks.values.base import Value
from blocks.values.evidence import TableLoss

Rows = Sequence[Sequence[str]]

_GROUPS = 4096
# Beyond so many rows that may differ, a table is told by its counts: the rows' checksums are held in memory.
MOST_ROWS = 400_000
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
SHAPES = (
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


class Shape(Value):
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


class Gone(Value):
    """What the first database has and the second lacks altogether.

    Attributes:
        table: Schema and name.
        column: The column; None for the whole table.
        rows: The rows of the table; for a column those that have something else in it than its default.
        content: A checksum of what is in it, by which it is found under another name.
    """

    table: str
    column: str | None
    rows: int
    content: str = ""

    def __str__(self) -> str:
        """Say it on one line."""
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        return f"{self.table}.{self.column} in {rows}" if self.column else f"{self.table} with {rows}"


class Differences(Value):
    """How a second database differs from a first.

    Attributes:
        tables: The tables both have whose rows differ: inserted, updated and deleted from the first to the second.
        only_first: The tables and columns only the first has, where there is something in them.
        only_second: And those only the second has.
        notes: What was told by its counts only, one line each.
    """

    tables: tuple[TableLoss, ...] = ()
    only_first: tuple[Gone, ...] = ()
    only_second: tuple[Gone, ...] = ()
    notes: tuple[str, ...] = ()


def read_shapes(rows: Rows) -> dict[str, Shape]:
    """Read what `SHAPES` printed.

    Args:
        rows: Its rows.

    Returns:
        Table → shape.
    """
    shapes = [Shape.model_validate(json.loads(row[0])) for row in rows if row and row[0].strip()]
    return {shape.name: shape for shape in shapes}


def pairs(first: Mapping[str, Shape], second: Mapping[str, Shape]) -> tuple[Pair, ...]:
    """Return the tables both databases have, with what of them can be compared."""
    return tuple(_pair(first[name], second[name]) for name in first if name in second)


def _pair(first: Shape, second: Shape) -> Pair:
    same_key = first.key if first.key == second.key and set(first.key) <= set(second.columns) else ()
    return Pair(
        name=first.name,
        columns=tuple(sorted(name for name in first.columns if name in second.columns)),
        key=same_key,
        gone={name: default for name, default in first.columns.items() if name not in second.columns},
    )


def contents_sql(shapes: Sequence[Shape], gone: Sequence[Pair]) -> str:
    """Return the SQL that looks into whole tables, and into columns that have something in them.

    Args:
        shapes: The tables the other database lacks.
        gone: The tables of which it lacks columns.

    Returns:
        SQL that answers `TABLE COLUMN ROWS CHECKSUM`, TABLE and COLUMN as positions in what `contents_of` is given.
    """
    selects = [
        f"select {at}, -1, count(*), {_sum(_hash(tuple(sorted(shape.columns))))} from only {shape.name}"
        for at, shape in enumerate(shapes)
    ]
    for at, pair in enumerate(gone):
        selects += [
            f"select {at + len(shapes)}, {column}, "
            f"count(*) filter (where {_ident(name)}::text is distinct from ({_constant(default)})::text), "
            f"{_sum(_hash((*pair.key, name)))} from only {pair.name}"
            for column, (name, default) in enumerate(pair.gone.items())
        ]
    return _script(selects)


def contents_of(shapes: Sequence[Shape], gone: Sequence[Pair], rows: Rows) -> tuple[Gone, ...]:
    """Read what `contents_sql` answered."""
    found: list[Gone] = []
    for row in rows:
        table, column, count = (int(field) for field in row[:3])
        if column < 0:
            shape = shapes[table]
            content = " ".join([*sorted(shape.columns), row[3]])
            found.append(Gone(table=shape.name, column=None, rows=count, content=content))
        else:
            pair = gone[table - len(shapes)]
            found.append(Gone(table=pair.name, column=list(pair.gone)[column], rows=count, content=row[3]))
    return tuple(found)


def really_gone(gone: Sequence[Gone], come: Sequence[Gone]) -> tuple[Gone, ...]:
    """Leave out what is empty, and what the other database has under another name.

    Args:
        gone: What one database has and the other lacks.
        come: And the other way round.

    Returns:
        What is gone.
    """
    renamed = Counter(_mark(one) for one in come)
    found: list[Gone] = []
    for one in gone:
        if not one.rows:
            continue
        if renamed[_mark(one)]:
            renamed[_mark(one)] -= 1
        else:
            found.append(one)
    return tuple(found)


def _mark(one: Gone) -> tuple[str, str]:
    """Return what a renamed table or column keeps: its content, and for a column its table."""
    return (one.table if one.column is not None else "", one.content)


def totals_sql(compared: Sequence[Pair]) -> str:
    """Return the SQL of the first round: `TABLE ROWS CHECKSUM`."""
    return _script(
        [
            f"select {at}, count(*), {_sum(_row(pair))} from only {pair.name}"
            for at, pair in enumerate(compared)
        ]
    )


def groups_sql(compared: Sequence[Pair]) -> str:
    """Return the SQL of the second round: `TABLE GROUP ROWS CHECKSUM`."""
    return _script(
        [
            f"select {at}, {_key(pair)} & {_GROUPS - 1}, count(*), sum({_row(pair)}::numeric) "
            f"from only {pair.name} group by 2"
            for at, pair in enumerate(compared)
        ]
    )


def rows_sql(compared: Sequence[Pair], groups: Sequence[Sequence[int]]) -> str:
    """Return the SQL of the third round: `TABLE KEY CHECKSUM` of the rows in the groups that differ."""
    return _script(
        [
            f"select {at}, {_key(pair)}, {_row(pair)} from only {pair.name} "
            f"where {_key(pair)} & {_GROUPS - 1} in ({', '.join(map(str, groups[at]))})"
            for at, pair in enumerate(compared)
        ]
    )


def differing(compared: Sequence[Pair], first: Rows, second: Rows) -> tuple[Pair, ...]:
    """Return the tables whose first-round answers differ."""
    mine, theirs = ({row[0]: tuple(row[1:]) for row in rows} for rows in (first, second))
    return tuple(pair for at, pair in enumerate(compared) if mine.get(str(at)) != theirs.get(str(at)))


class Suspects(Value):
    """The groups of one table's rows that differ, and how many rows they have.

    Attributes:
        groups: Their numbers.
        first: Their rows in the first database.
        second: And in the second.
    """

    groups: tuple[int, ...]
    first: int
    second: int


def suspects(compared: Sequence[Pair], first: Rows, second: Rows) -> tuple[Suspects, ...]:
    """Return each table's groups whose second-round answers differ."""
    mine, theirs = _by_table(compared, first), _by_table(compared, second)
    found: list[Suspects] = []
    for one, other in zip(mine, theirs, strict=True):
        groups = sorted(group for group in {*one, *other} if one.get(group) != other.get(group))
        found.append(
            Suspects(
                groups=tuple(groups),
                first=sum(int(one[group][0]) for group in groups if group in one),
                second=sum(int(other[group][0]) for group in groups if group in other),
            )
        )
    return tuple(found)


def _by_table(compared: Sequence[Pair], rows: Rows) -> list[dict[int, tuple[str, ...]]]:
    found: list[dict[int, tuple[str, ...]]] = [{} for _ in compared]
    for row in rows:
        found[int(row[0])][int(row[1])] = tuple(row[2:])
    return found


def losses(compared: Sequence[Pair], first: Rows, second: Rows) -> tuple[TableLoss, ...]:
    """Tell inserted, updated and deleted rows apart, from the third round's answers.

    Args:
        compared: The tables that were asked about.
        first: The first database's answer.
        second: The second one's.

    Returns:
        The tables that differ.
    """
    mine, theirs = _rows_by_table(compared, first), _rows_by_table(compared, second)
    found = [_loss(pair, one, other) for pair, one, other in zip(compared, mine, theirs, strict=True)]
    return tuple(loss for loss in found if loss.rows)


def _rows_by_table(compared: Sequence[Pair], rows: Rows) -> list[Counter[tuple[str, str]]]:
    found: list[Counter[tuple[str, str]]] = [Counter() for _ in compared]
    for row in rows:
        found[int(row[0])][(row[1], row[2])] += 1
    return found


def _loss(pair: Pair, one: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> TableLoss:
    gone, come = one - other, other - one
    before, after = (Counter(key for key, _ in side.elements()) for side in (gone, come))
    updated = sum((before & after).values()) if pair.key else 0
    return TableLoss(
        table=pair.name,
        inserted=come.total() - updated,
        updated=updated,
        deleted=gone.total() - updated,
    )


def bounded(pair: Pair, found: Suspects) -> TableLoss:
    """Tell a table by its counts: every row of the groups that differ may have been updated."""
    return TableLoss(
        table=pair.name,
        inserted=max(0, found.second - found.first),
        updated=min(found.first, found.second),
        deleted=max(0, found.first - found.second),
    )


def _script(selects: Sequence[str]) -> str:
    """Return SQL that answers all of the selects as one; with none it answers nothing."""
    if not selects:
        return "select where false;\n"
    return _SAME_TEXT + "\nunion all\n".join(f"({select})" for select in selects) + ";\n"


def _row(pair: Pair) -> str:
    return _hash(pair.columns)


def _key(pair: Pair) -> str:
    return _hash(pair.key or pair.columns)


def _hash(columns: Sequence[str]) -> str:
    return f"hashtextextended(row({', '.join(map(_ident, columns))})::text, 0)"


def _sum(checksum: str) -> str:
    return f"coalesce(sum({checksum}::numeric), 0)"


def _constant(default: str | None) -> str:
    """Return a default as SQL where it is the same for every row; any other is not evaluated."""
    return default if default is not None and _CONSTANT.fullmatch(default) else "null"


def _ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
