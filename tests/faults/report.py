"""PURE: what became of a fault, in words, and the table of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from blocks.values.lifecycle import ACTIVE, Status

UNKNOWN = "unknown"

_GOOD = frozenset({Status.SUCCEEDED, Status.UNCHANGED})
_AGAIN = ("retry this run", "try again")
_CLASSES = {
    Status.SUCCEEDED: "rolled forward",
    Status.UNCHANGED: "rolled forward",
    Status.RESTORED: "restored",
    Status.REFUSED: "refused",
    Status.FAILED: "failed before switch",
    Status.BROKEN: "broken",
    Status.ABANDONED: "abandoned",
    Status.SUPERSEDED: "superseded",
}


@dataclass(frozen=True)
class End:
    """How one try of a run ended.

    Attributes:
        state: The type of Prefect's state, such as `COMPLETED` or `CRASHED`.
        status: The promotion's status in the ledger, None where it has no row.
        message: What the run says.
        begun: True when the journal says that the switch had begun.
    """

    state: str
    status: Status | None
    message: str = ""
    begun: bool = False


def outcome_of(end: End, *, back: bool = False) -> str:
    """Say what a try's end means for the environment.

    Args:
        end: How the try ended.
        back: True for a rollback, which goes back where it succeeds.

    Returns:
        A class of outcomes; `unknown` where run and ledger do not agree.
    """
    if end.state == "CRASHED":
        return "cut off"
    if end.status is None or not _agree(end.state, end.status):
        return UNKNOWN
    if end.status in ACTIVE:
        # A run that failed in the middle of the switch, or could not tell the ledger, leaves its promotion open and
        # says what to do.
        return "left open for a retry" if any(word in end.message for word in _AGAIN) else UNKNOWN
    if end.status is Status.FAILED and end.begun:
        return UNKNOWN
    return "rolled back" if back and end.status in _GOOD else _CLASSES.get(end.status, UNKNOWN)


def _agree(state: str, status: Status) -> bool:
    """Say whether a run's state is one that a promotion of this status may have."""
    if state == "CANCELLED":
        return status is Status.SUPERSEDED
    return (state == "COMPLETED") == (status in _GOOD)


@dataclass(frozen=True)
class Line:
    """One fault and what survived it.

    Attributes:
        flow: `promote` or `rollback`.
        fault: What was done.
        step: The step in the middle of which it was done.
        outcomes: What became of the run, of each retry of it, and of the start after those.
        seconds: From the fault to a release that works and that the ledger names, None where there is none.
        silent: Seconds in which the application did not answer its smoke checks, switches included.
        wrong: What is not as it must be at the end.
        lines: What the run said of failures.
    """

    flow: str
    fault: str
    step: str
    outcomes: tuple[str, ...]
    seconds: float | None
    silent: float
    wrong: tuple[str, ...] = ()
    lines: tuple[str, ...] = field(default=())

    @property
    def good(self) -> bool:
        """Say whether nothing is unknown, and a release works."""
        return (
            bool(self.outcomes)
            and UNKNOWN not in self.outcomes
            and not self.wrong
            and self.seconds is not None
        )

    @property
    def outcome(self) -> str:
        """All outcomes, in the order they came."""
        return ", then ".join(self.outcomes) or UNKNOWN


_HEAD = ("fault", "step", "outcome", "s to a working release", "s without answer")


def _cells(line: Line) -> tuple[str, ...]:
    seconds = "never" if line.seconds is None else f"{line.seconds:.1f}"
    return (line.fault, f"{line.flow}: {line.step}", line.outcome, seconds, f"{line.silent:.1f}")


def table(lines: Sequence[Line]) -> str:
    """Return the table, its columns lined up, numbers at the right; it is Markdown too."""
    rows = [_HEAD, *map(_cells, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    numbers = {3, 4}

    def aligned(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    rule = [
        "-" * (width - 1) + ":" if column in numbers else "-" * width for column, width in enumerate(widths)
    ]
    return "\n".join([aligned(_HEAD), f"| {' | '.join(rule)} |", *map(aligned, rows[1:])])


def as_data(lines: Sequence[Line]) -> list[dict[str, object]]:
    """Return the lines for a machine."""
    return [{**asdict(line), "good": line.good} for line in lines]
