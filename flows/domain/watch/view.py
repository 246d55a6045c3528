"""How a watch is told: in a notification, in an artifact, as the cause of a rollback."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.values.watch import HostLook, LogError, LogSummary, WatchEnd, WatchFinding
from flows.domain.promotion.messages import Subject, cut
from flows.domain.watch.watch import merged, restarts
from flows.domain.words.text import code, escape, fenced, one_line, printable, table

_MOST_KINDS = 50
_LONGEST_CAUSE = 400


def summary_line(findings: Sequence[WatchFinding]) -> str:
    """Return in one line why a watch is red, with the first log line that decided."""
    return one_line(
        "; ".join(f"{one.what}{f' ({one.lines[0]})' if one.lines else ''}" for one in findings), 1000
    )


def cause(promotion: int, findings: Sequence[WatchFinding]) -> str:
    """Return what stands in the history as the cause of a rollback, and on the hold."""
    return one_line(f"the watch of promotion {promotion} is red: {summary_line(findings)}", _LONGEST_CAUSE)


def red_text(subject: Subject, end: WatchEnd, then: Sequence[str]) -> str:
    """Tell people that a release that runs is not well, or that nobody can tell."""
    title = f" {one_line(subject.title, 100)}" if subject.title else ""
    lines = [f"Watch is {end.verdict}: {subject.pipeline} {subject.commit}{title} in {subject.environment}"]
    for finding in end.findings:
        lines.append(one_line(finding.what, 500))
        lines += [f"- {one_line(line, 300)}" for line in finding.lines]
    # What was done must not be cut off behind a long log.
    rest = [one_line(line, 300) for line in (*then, subject.link) if line]
    head = cut("\n".join(printable(line) for line in lines), 3000)
    return cut("\n".join([head, *rest]))


def watch_markdown(
    title: str, end: WatchEnd, before: Sequence[LogSummary], looks: Sequence[HostLook], then: Sequence[str]
) -> str:
    """Return the artifact of a watch.

    Returns:
        Markdown; all that comes from logs is shown as it is, and does nothing.
    """
    parts = [f"# {escape(title)}: {end.verdict}", escape(end.text, 1000)]
    for finding in end.findings:
        parts.append(f"**{escape(finding.what, 500)}**")
        if finding.lines:
            parts.append(fenced("\n".join(finding.lines)))
    parts += [f"- {escape(line, 400)}" for line in then]
    # A watch that was over before it looked, or that only finishes what an earlier process saw, has nothing to compare.
    parts += _compared(before, looks) if looks else []
    notes = dict.fromkeys(note for one in (*before, *(look.logs for look in looks)) for note in one.notes)
    parts += [f"- {escape(note, 300)}" for note in notes]
    return "\n\n".join(parts) + "\n"


def _compared(before: Sequence[LogSummary], looks: Sequence[HostLook]) -> list[str]:
    after = [look.logs for look in looks]
    parts = ["## Logs", table(("", "Before", "Since"), _facts(before, after))]
    kinds = _kinds(merged(before), merged(after))
    parts.append(
        table(("Service", "Error", "Before", "Since"), kinds)
        if kinds
        else "No errors, neither before nor after the switch."
    )
    counts = restarts(before, looks)
    if counts:
        parts.append("Restarts: " + ", ".join(f"{escape(name)} {count}" for name, count in counts.items()))
    return parts


def _facts(before: Sequence[LogSummary], after: Sequence[LogSummary]) -> list[tuple[str, ...]]:
    return [
        ("Time", *(f"{max((one.seconds for one in side), default=0):.0f} s" for side in (before, after))),
        ("Lines", *(str(sum(one.lines for one in side)) for side in (before, after))),
        ("Errors", *(str(sum(error.count for error in merged(side))) for side in (before, after))),
    ]


def _kinds(before: Sequence[LogError], after: Sequence[LogError]) -> list[tuple[str, ...]]:
    had = {one.kind: one.count for one in before}
    have = {one.kind: one.count for one in after}
    kinds = list(dict.fromkeys([*have, *had]))
    return [
        (
            code(service),
            escape(text, 200),
            str(had.get((service, text), 0)),
            str(have.get((service, text), 0)),
        )
        for service, text in kinds[:_MOST_KINDS]
    ]
