"""PURE: reading the answers of two databases that are compared row by row, without carrying their rows.

Tables are compared in three rounds, each asked only about what the round before found to differ: one checksum for
each table, one for each of 4,096 groups of its rows, one for each row of these groups. Only columns that both
databases have are compared; a column that one of them lacks is reported by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from blocks.values.base import Value
from blocks.values.evidence import TableLoss
from tasks.database.commands.gone import Gone
from tasks.database.commands.shapes import Pair, Rows

GROUPS = 4096
# Beyond so many rows that may differ, only a table's counts are reported: the rows' checksums are held in memory.
MOST_ROWS = 400_000


class Differences(Value):
    """How a second database differs from a first.

    Attributes:
        tables: The tables both have whose rows differ: inserted, updated and deleted from the first to the second.
        only_first: The tables and columns only the first has, where there is something in them.
        notes: What was told by its counts only, one line each.
    """

    tables: tuple[TableLoss, ...] = ()
    only_first: tuple[Gone, ...] = ()
    only_second: tuple[Gone, ...] = ()
    notes: tuple[str, ...] = ()


def differing(compared: Sequence[Pair], first: Rows, second: Rows) -> tuple[Pair, ...]:
    """Return the tables whose first-round answers differ."""
    mine, theirs = ({row[0]: tuple(row[1:]) for row in rows} for rows in (first, second))
    return tuple(pair for at, pair in enumerate(compared) if mine.get(str(at)) != theirs.get(str(at)))


class Suspects(Value):
    """The groups of one table's rows that differ, and how many rows they have.

    Attributes:
        first: Their rows in the first database.
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
    """Tell inserted, updated and deleted rows apart, from the third round's answers."""
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
