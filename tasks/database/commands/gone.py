"""PURE: what one database has and another lacks altogether: tables and columns with something in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from blocks.values.base import Value
from tasks.database.commands.shapes import DatabaseShape, Pair, Rows


class Gone(Value):
    """What the first database has and the second lacks altogether.

    Attributes:
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


def contents_of(shapes: Sequence[DatabaseShape], gone: Sequence[Pair], rows: Rows) -> tuple[Gone, ...]:
    """Read what an engine's `contents` answered.

    Args:
        shapes: The tables the other database lacks.
        gone: The tables of which it lacks columns.
        rows: `TABLE COLUMN ROWS CHECKSUM`: TABLE as a position in both after each other, COLUMN in what is gone, or -1.
    """
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
