"""What would be lost: two databases compared table by table, or PostgreSQL's own counters read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from blocks.values.evidence import LossReport, TableLoss
from tasks.database.commands.gone import Gone, contents_of, contents_sql, really_gone
from tasks.database.commands.loss import (
    MOST_ROWS,
    Differences,
    Suspects,
    bounded,
    differing,
    groups_sql,
    losses,
    rows_sql,
    suspects,
    totals_sql,
)
from tasks.database.commands.shapes import SHAPES, DatabaseShape, Pair, pairs, read_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Ask = Callable[[str], list[list[str]]]


def compare(first: Ask, second: Ask) -> Differences:
    """Compare two databases row by row; only checksums of rows leave them.

    Args:
        first: Runs SQL in the first database, the earlier one.
        second: Runs SQL in the second.

    Returns:
        How the second differs from the first.
    """
    mine, theirs = read_shapes(first(SHAPES)), read_shapes(second(SHAPES))
    both = pairs(mine, theirs)
    tables, notes = _rows(first, second, differing(both, first(totals_sql(both)), second(totals_sql(both))))
    gone, come = _contents(first, mine, theirs), _contents(second, theirs, mine)
    return Differences(
        tables=tuple(sorted(tables, key=lambda loss: (-loss.rows, loss.table))),
        only_first=really_gone(gone, come),
        only_second=really_gone(come, gone),
        notes=notes,
    )


def _contents(
    ask: Ask, own: Mapping[str, DatabaseShape], other: Mapping[str, DatabaseShape]
) -> tuple[Gone, ...]:
    """Look what is in the tables and columns the other database lacks."""
    tables = [shape for name, shape in own.items() if name not in other]
    columns = [pair for pair in pairs(own, other) if pair.gone]
    if not tables and not columns:
        return ()
    return contents_of(tables, columns, ask(contents_sql(tables, columns)))


def _rows(first: Ask, second: Ask, compared: Sequence[Pair]) -> tuple[tuple[TableLoss, ...], tuple[str, ...]]:
    """Find the rows that differ, in the tables that do."""
    if not compared:
        return (), ()
    found = suspects(compared, first(groups_sql(compared)), second(groups_sql(compared)))
    exact = _affordable(found)
    asked = [
        (pair, one.groups) for at, (pair, one) in enumerate(zip(compared, found, strict=True)) if at in exact
    ]
    chosen, groups = [pair for pair, _ in asked], [groups for _, groups in asked]
    sql = rows_sql(chosen, groups)
    told = losses(chosen, first(sql), second(sql)) if chosen else ()
    rest = [
        (pair, one) for at, (pair, one) in enumerate(zip(compared, found, strict=True)) if at not in exact
    ]
    notes = tuple(
        f"{pair.name}: too many rows may differ, so its numbers are upper bounds" for pair, _ in rest
    )
    return (*told, *(bounded(pair, one) for pair, one in rest)), notes


def _affordable(found: Sequence[Suspects]) -> set[int]:
    """Return the tables whose rows may be asked for one by one: the smaller first."""
    left, chosen = MOST_ROWS, set[int]()
    for at in sorted(range(len(found)), key=lambda at: found[at].first + found[at].second):
        left -= found[at].first + found[at].second
        if left >= 0:
            chosen.add(at)
    return chosen


def lost_by_downgrade(differences: Differences) -> tuple[str, ...]:
    """Say what down-migrations lost, from the database before them to the one after; empty: nothing.

    Args:
        differences: How the database differs from what it was.

    Returns:
        One line for each table or column that lost something.
    """
    changed = [f"{loss.table}: {loss.rows} rows changed" for loss in differences.tables]
    return (*(str(gone) for gone in differences.only_first), *changed)


def loss_from_copy(differences: Differences, *, backup_path: str, taken_at: datetime) -> LossReport:
    """Return what a restore loses, from how the live database differs from the restored copy.

    Args:
        taken_at: When it was taken, UTC.

    Returns:
        The report: the live database's own tables would be gone, so their rows count as inserted since.
    """
    new = [
        TableLoss(table=gone.table, inserted=gone.rows) for gone in differences.only_second if not gone.column
    ]
    back = [
        TableLoss(table=gone.table, deleted=gone.rows) for gone in differences.only_first if not gone.column
    ]
    columns = [f"{gone}: the column would be gone" for gone in differences.only_second if gone.column]
    columns += [f"{gone}: the column would be back" for gone in differences.only_first if gone.column]
    tables = (*differences.tables, *new, *back)
    return LossReport(
        backup_path=backup_path,
        taken_at=taken_at,
        source="copy",
        tables=tuple(sorted(tables, key=lambda loss: (-loss.rows, loss.table))),
        notes=(*differences.notes, *columns),
    )


def loss_from_counters(
    then: Mapping[str, tuple[int, int, int]],
    now: Mapping[str, tuple[int, int, int]],
    *,
    backup_path: str,
    taken_at: datetime,
    why: str,
) -> LossReport:
    """Return what a restore loses at most, from PostgreSQL's counters then and now.

    Args:
        then: Table → rows inserted, updated and deleted, as counted when the dump was taken.
        taken_at: When it was taken, UTC.
        why: Why no copy was compared.

    Returns:
        The report. A counter that is lower than it was has been reset: its present value is taken, and said so.
    """
    reset: list[str] = []
    tables: list[TableLoss] = []
    for table, counted in now.items():
        before = then.get(table, (0, 0, 0))
        if any(b > c for b, c in zip(before, counted, strict=True)):
            reset.append(table)
            before = (0, 0, 0)
        inserted, updated, deleted = (c - b for b, c in zip(before, counted, strict=True))
        tables.append(TableLoss(table=table, inserted=inserted, updated=updated, deleted=deleted))
    gone = sorted(set(then) - set(now))
    notes = [why, *(f"{table}: its counters were reset since, so more may be lost" for table in reset)]
    notes += [f"{table}: dropped since the dump, and would be back" for table in gone]
    return LossReport(
        backup_path=backup_path,
        taken_at=taken_at,
        source="statistics",
        tables=tuple(sorted((t for t in tables if t.rows), key=lambda loss: (-loss.rows, loss.table))),
        notes=tuple(notes),
    )
