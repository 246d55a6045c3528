"""What commands print: tables that line up, also in a pipe, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from flows.domain.words.durations import human_duration
from flows.domain.words.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

_UNBOUNDED = 4000
_LONGEST_CELL = 400

STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def say(line: str = "") -> None:
    """Print one line for a person."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def warn(line: str) -> None:
    """Print one line beside the output proper, on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def print_json(data: object) -> None:
    """Print data as JSON, times as ISO 8601."""
    say(json.dumps(data, indent=2, default=str, ensure_ascii=False))


def answer(line: str, data: object, *, as_json: bool) -> None:
    """Print one line for a person, or the data it is about."""
    if as_json:
        print_json(data)
    else:
        say(line)


def print_section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table below others; none where there is nothing in it."""
    if rows:
        say(f"\n{title}")
        print_table(head, rows)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table. On a terminal long cells are folded; in a pipe each row stays one line, made printable."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for name in head:
        table.add_column(Text(name, style="bold"), overflow="fold")
    for row in rows:
        cells = [one_line(cell, _LONGEST_CELL) for cell in row]
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in cells))
    console = _console()
    with console.capture() as captured:
        console.print(table)
    say("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _console() -> Console:
    from rich.console import Console

    pipe = not sys.stdout.isatty()
    width = _UNBOUNDED if pipe else None
    return Console(highlight=False, markup=False, emoji=False, width=width, no_color=pipe or None)


def moment(at: datetime | None) -> str:
    """Say a point in time, UTC."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def ago(at: datetime, now: datetime) -> str:
    """Say how long ago something was."""
    return f"{human_duration((now - at).total_seconds())} ago"


def counted(number: int, one: str) -> str:
    """Say a number of things: `1 hold`, `2 holds`."""
    return f"{number} {one}" if number == 1 else f"{number} {one}s"
