"""What `reconcile` tells people: in their channels, and in its report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flows.domain.drift.hosts import mend
from flows.domain.promotion.messages import cut
from flows.domain.words.text import code, escape, one_line, printable, table

_MOST_LINES = 20


class RecordedDifference(Protocol):
    """A recorded difference, as far as it matters here."""

    @property
    def host(self) -> str:
        """The host; empty where it is about none."""
        ...

    @property
    def kind(self) -> str:
        """What differs."""
        ...

    @property
    def subject(self) -> str:
        """What it is about."""
        ...

    @property
    def detail(self) -> str:
        """One line for a person."""
        ...


def said(one: RecordedDifference) -> str:
    """Return a difference in one line."""
    where = f"{one.host}: " if one.host else ""
    return one_line(f"{where}{one.kind} {one.subject} {one.detail}", 400)


def drift_text(
    pipeline: str,
    environment: str,
    new: Sequence[RecordedDifference],
    gone: Sequence[RecordedDifference],
    standing: int,
) -> str:
    """Tell that an environment differs from the ledger, or does so no more."""
    word = (
        "Differs from the ledger" if new else "As the ledger says again" if not standing else "Differs less"
    )
    lines = [f"{word}: {pipeline} {environment}, {standing} standing"]
    for one in new[:_MOST_LINES]:
        lines += [f"- {said(one)}", f"  {mend(one.kind, environment)}"]
    lines += [f"- gone: {said(one)}" for one in gone[:_MOST_LINES]]
    left_out = max(0, len(new) - _MOST_LINES) + max(0, len(gone) - _MOST_LINES)
    lines += [f"… and {left_out} more"] if left_out else []
    return cut("\n".join(printable(line) for line in lines))


def cut_text(pipeline: str, environment: str, message: str) -> str:
    """Tell what happens to a promotion that was cut."""
    return cut(printable(f"Interrupted: {pipeline} → {environment}: {one_line(message, 1000)}"))


def reconcile_markdown(
    pipeline: str,
    done: Sequence[tuple[str, str]],
    standing: Sequence[tuple[str, RecordedDifference]],
    left: Sequence[str],
) -> str:
    """Return the report of a look at all environments."""
    acts = [(escape(place), escape(line, 600)) for place, line in done]
    rows = [
        (
            escape(place),
            escape(one.host),
            code(one.kind),
            escape(one.subject),
            escape(one.detail, 400),
            escape(mend(one.kind, place), 300),
        )
        for place, one in standing
    ]
    parts = [
        f"# {escape(pipeline)}: hosts and ledger",
        "## Done",
        table(("Environment", "What"), acts) if acts else "There was nothing to do.",
        "## Differences",
        table(("Environment", "Host", "Kind", "About", "What", "What to do"), rows)
        if rows
        else "There are none.",
        *(["## Not looked at", "\n".join(f"- {escape(line, 400)}" for line in left)] if left else []),
    ]
    return "\n\n".join(parts) + "\n"
