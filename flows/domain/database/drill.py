"""How a drill is told: the line of its run, the message people get, the page they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.domain.words.durations import human_duration
from flows.domain.words.text import code, escape, one_line, table
from tasks.kernel.text import human_bytes

if TYPE_CHECKING:
    from blocks.values.evidence import DrillReceipt
    from blocks.values.receipts import BackupReceipt

_MOST = 50


def drill_line(environment: str, backup: BackupReceipt, receipt: DrillReceipt) -> str:
    """Return the one line a drill's run ends with."""
    taken = f"{backup.taken_at:%Y-%m-%d %H:%M} UTC"
    if receipt.passed:
        return (
            f"the dump of {environment} of {taken} restores in {human_duration(receipt.restore_seconds)}: "
            f"{receipt.tables} tables, {receipt.rows} rows"
        )
    more = len(receipt.differences) - 1
    first = one_line(receipt.differences[0], 300) + (f" (and {more} more)" if more else "")
    return (
        f"drill of {environment}: the dump of {taken} is not as it should be: {first} — take a new one by "
        "promoting, and check the database and the disk of its host"
    )


def failure_text(pipeline: str, environment: str, line: str, link: str) -> str:
    """Return what people are told of a drill that failed.

    Args:
        link: The address of the run; empty for none.
    """
    head = f"Drill failed: {pipeline} {environment} has no dump that is known to restore"
    return "\n".join(part for part in (head, one_line(line, 600), link) if part)


def drill_markdown(pipeline: str, environment: str, backup: BackupReceipt, receipt: DrillReceipt) -> str:
    """Return the page about a drill."""
    ended = "the dump restores" if receipt.passed else "the dump is not as it should be"
    facts = [
        ("Dump", code(backup.path)),
        ("Taken", f"{backup.taken_at:%Y-%m-%d %H:%M} UTC on {escape(backup.host)}"),
        ("Size", human_bytes(backup.bytes)),
        ("Revision", code(receipt.revision) if receipt.revision else "none"),
        ("Restored on", escape(receipt.host)),
        ("Recovery time", human_duration(receipt.restore_seconds)),
        ("Compared", f"{receipt.tables} tables and views, {receipt.rows} rows"),
        ("Extensions", escape(", ".join(receipt.extensions), 600)),
        ("Took", human_duration(receipt.seconds)),
    ]
    parts = [f"# Drill of {escape(pipeline)} {escape(environment)}: {ended}", table(("", ""), facts)]
    for title, lines in (("Differences", receipt.differences), ("Explained", receipt.notes)):
        if lines:
            shown = [f"- {escape(line, 400)}" for line in lines[:_MOST]]
            left_out = [f"- and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
            parts += [f"## {title}", "\n".join([*shown, *left_out])]
    return "\n\n".join(parts) + "\n"
