"""PURE: what one database has and another lacks altogether: tables and columns with something in them."""

# ruff: noqa: S608 - every name is quoted, and no value enters the SQL

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from blocks.values.base import Value
from tasks.database.commands.shapes import (
    DatabaseShape,
    Pair,
    Rows,
    as_one,
    checksum,
    constant,
    quoted,
    summed,
)


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


def contents_sql(shapes: Sequence[DatabaseShape], gone: Sequence[Pair]) -> str:
    """Return the SQL that looks into whole tables, and into columns that have something in them.

    Args:
        shapes: The tables the other database lacks.
        gone: The tables of which it lacks columns.

    Returns:
        SQL that answers `TABLE COLUMN ROWS CHECKSUM`, TABLE and COLUMN as positions in what `contents_of` is given.
    """
    selects = [
        f"select {at}, -1, count(*), {summed(checksum(tuple(sorted(shape.columns))))} from only {shape.name}"
        for at, shape in enumerate(shapes)
    ]
    for at, pair in enumerate(gone):
        selects += [
            f"select {at + len(shapes)}, {column}, "
            f"count(*) filter (where {quoted(name)}::text is distinct from ({constant(default)})::text), "
            f"{summed(checksum((*pair.key, name)))} from only {pair.name}"
            for column, (name, default) in enumerate(pair.gone.items())
        ]
    return as_one(selects)


def contents_of(shapes: Sequence[DatabaseShape], gone: Sequence[Pair], rows: Rows) -> tuple[Gone, ...]:
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
