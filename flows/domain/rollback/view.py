"""How a rollback treats the database, and what is lost, as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.values.evidence import LossReport, TableLoss
from blocks.values.plans import Plan
from blocks.values.rollback import RollbackStrategy, StrategyKind
from flows.domain.words.text import code, escape, one_line, table

_MOST_TABLES = 30
_SIGNS = {
    StrategyKind.CODE: "🟢",
    StrategyKind.DOWNGRADE: "🟡",
    StrategyKind.RESTORE: "🔴",
    StrategyKind.FORBIDDEN: "⛔",
}
_SOURCES = {
    "copy": "compared row by row with a restored copy",
    "statistics": "read from the database's counters, so these are upper bounds",
}


def way_markdown(plan: Plan) -> list[str]:
    """Render how a rollback goes."""
    way = plan.going_back
    if way is None:
        return []
    todo = [f"**What you can do:** {escape(way.todo, 800)}"] if way.todo else []
    return [
        "### How it goes back",
        f"{_SIGNS[way.way]} **{way.way}**: {escape(way.reason, 800)}",
        *todo,
        *(_loss(way, way.loss) if way.loss is not None else []),
    ]


def _loss(way: RollbackStrategy, loss: LossReport) -> list[str]:
    dump = f"The dump of **{loss.taken_at:%Y-%m-%d %H:%M} UTC** ({code(_name(loss.backup_path))}"
    checksum = f", sha256 {code(way.backup_sha256[:12])}" if way.backup_sha256 else ""
    rows = [
        (escape(one.table), str(one.inserted), str(one.updated), str(one.deleted)) for one in _shown(loss)
    ]
    head = ("Table", "Inserted since: gone", "Updated since: old content", "Deleted since: back")
    tables = [table(head, rows)] if rows else []
    more = len(loss.tables) - _MOST_TABLES
    return [
        f"### What a restore loses: {_rows(loss.rows)}",
        f"{dump}{checksum}) would take the live database's place. The rows were {_source(loss)}.",
        *tables,
        *([f"… and {more} more tables"] if more > 0 else []),
        *[f"- {escape(note, 300)}" for note in loss.notes[:_MOST_TABLES]],
        *([f"An approval covers at most **{_rows(way.most_rows)}**."] if way.most_rows is not None else []),
        "The live database is dumped before, so the restore can be undone.",
    ]


def way_rows(plan: Plan) -> list[tuple[str, str]]:
    """Render the same for the terminal."""
    way = plan.going_back
    if way is None:
        return []
    rows = [("way back", str(way.way)), ("because", one_line(way.reason, 600))]
    if way.trial is not None:
        rows.append(("tried", _trial(way)))
    if way.loss is not None:
        rows += _loss_rows(way.loss)
    return [*rows, ("you can", one_line(way.todo, 800))] if way.todo else rows


def _trial(way: RollbackStrategy) -> str:
    trial = way.trial
    if trial is None:
        return ""
    end = "nothing lost" if trial.lossless else trial.reason or f"would lose {'; '.join(trial.lost)}"
    return one_line(f"down to {trial.to_revision} in {trial.seconds:.1f} s: {end}", 400)


def _loss_rows(loss: LossReport) -> list[tuple[str, str]]:
    dump = f"{_name(loss.backup_path)} of {loss.taken_at:%Y-%m-%d %H:%M} UTC"
    rows = [
        ("a restore of", one_line(dump, 200)),
        ("would lose", f"{_rows(loss.rows)}, {_source(loss)}"),
    ]
    rows += [
        (
            f"  {one_line(one.table)}",
            f"{one.inserted} inserted, {one.updated} updated, {one.deleted} deleted since",
        )
        for one in _shown(loss)
    ]
    return rows + [("  note", one_line(note, 300)) for note in loss.notes[:_MOST_TABLES]]


def _source(loss: LossReport) -> str:
    return _SOURCES.get(loss.source, "from another version")


def _shown(loss: LossReport) -> Sequence[TableLoss]:
    return loss.tables[:_MOST_TABLES]


def _rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _name(path: str) -> str:
    return path.rpartition("/")[2]
