"""What would be lost: two databases compared table by table, or the server's own counters read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from blocks.values.evidence import LossReport, TableLoss
from tasks.database.commands.gone import Gone, contents_of, really_gone
from tasks.database.commands.loss import (
    GROUPS,
    MOST_ROWS,
    Differences,
    Suspects,
    bounded,
    differing,
    losses,
    suspects,
)
from tasks.database.commands.shapes import DatabaseShape, Pair, pairs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tasks.database.engine.protocols import Ask, Comparison


def compare(sql: Comparison, first: Ask, second: Ask) -> Differences:
    """Compare two databases row by row; only checksums of rows leave them.

    Args:
        first: Asks the first database, the earlier one.
    """
    mine, theirs = sql.SHAPES.put(first), sql.SHAPES.put(second)
    both = pairs(mine, theirs)
    totals = sql.totals(both)
    tables, notes = _rows(sql, first, second, differing(both, first(totals), second(totals)))
    gone, come = _contents(sql, first, mine, theirs), _contents(sql, second, theirs, mine)
    return Differences(
        tables=tuple(sorted(tables, key=lambda loss: (-loss.rows, loss.table))),
        only_first=really_gone(gone, come),
        only_second=really_gone(come, gone),
        notes=notes,
    )


def _contents(
    sql: Comparison, ask: Ask, own: Mapping[str, DatabaseShape], other: Mapping[str, DatabaseShape]
) -> tuple[Gone, ...]:
    tables = [shape for name, shape in own.items() if name not in other]
    columns = [pair for pair in pairs(own, other) if pair.gone]
    if not tables and not columns:
        return ()
    return contents_of(tables, columns, ask(sql.contents(tables, columns)))


def _rows(
    sql: Comparison, first: Ask, second: Ask, compared: Sequence[Pair]
) -> tuple[tuple[TableLoss, ...], tuple[str, ...]]:
    if not compared:
        return (), ()
    by_group = sql.groups(compared, GROUPS)
    found = suspects(compared, first(by_group), second(by_group))
    exact = _affordable(found)
    chosen = [compared[at] for at in exact]
    by_row = sql.rows(chosen, GROUPS, [found[at].groups for at in exact])
    told = losses(chosen, first(by_row), second(by_row)) if chosen else ()
    rest = [(compared[at], found[at]) for at in range(len(found)) if at not in exact]
    notes = tuple(
        f"{pair.name}: too many rows may differ, so its numbers are upper bounds" for pair, _ in rest
    )
    return (*told, *(bounded(pair, one) for pair, one in rest)), notes


def _affordable(found: Sequence[Suspects]) -> list[int]:
    """Return the tables whose rows may be asked for one by one: the smaller first."""
    left, chosen = MOST_ROWS, list[int]()
    for at in sorted(range(len(found)), key=lambda at: found[at].first + found[at].second):
        left -= found[at].first + found[at].second
        if left >= 0:
            chosen.append(at)
    return sorted(chosen)


def lost_by_downgrade(differences: Differences) -> tuple[str, ...]:
    """Say what down-migrations lost, from the database before them to the one after; empty: nothing."""
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
    """Return what a restore loses at most, from the server's counters then and now.

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
