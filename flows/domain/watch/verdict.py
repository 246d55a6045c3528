"""How a watch ends after a look, or that it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.values.watch import HostLook, WatchEnd, WatchFinding
from flows.domain.watch.view import summary_line
from flows.domain.watch.watch import merged

_MOST_KEPT = 50


def verdict_of(
    place: str,
    looks: Sequence[HostLook],
    findings: tuple[WatchFinding, ...],
    unknown: Sequence[str],
    *,
    problem: str,
    last: bool,
    replaced: bool,
) -> WatchEnd | None:
    """Return how the watch ends after a look: green only where it saw all there was; None where it goes on.

    Args:
        place: What is healthy, and where.
        problem: Why a host could not be looked at; empty where all were.
        replaced: True where another release was brought in meanwhile: what is wrong may be that.
    """
    errors = merged([look.logs for look in looks])[:_MOST_KEPT]
    if findings and not replaced:
        return WatchEnd(verdict="red", text=summary_line(findings), findings=findings, errors=errors)
    if last and problem:
        return WatchEnd(verdict="blind", text=problem)
    if findings or not last:
        return None
    lines = f"{sum(look.logs.lines for look in looks)} log lines, nothing red"
    if not unknown:
        return WatchEnd(verdict="green", text=f"{place}: {lines}", errors=errors)
    text = f"{place} as far as is known: {lines} in them; {'; '.join(unknown)}"
    return WatchEnd(verdict="unclear", text=text, errors=errors)
