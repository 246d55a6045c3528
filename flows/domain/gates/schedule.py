"""The gates the clock answers: has the release run long enough before, and is it a time in which nothing enters?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from blocks.pipeline.gates import Freeze
from blocks.pipeline.moments import WEEK_MINUTES, WeekMoment, parse_moment
from blocks.values.base import Value
from blocks.values.plans import GateAnswer
from flows.domain.words.durations import human_duration
from flows.domain.words.text import one_line

SOAK, FREEZE = "soak", "freeze"

# Windows that follow one another are one freeze; more than these in a row are told as they are found.
_MOST_WINDOWS = 100


class Arrival(Value):
    """A release that began to run in an environment.

    Attributes:
        at: When it was up and smoked, UTC.
    """

    release_id: str
    at: datetime


class Window(NamedTuple):
    """A freeze that is on."""

    until: datetime
    reason: str


def soaked(
    release_id: str, arrivals: Iterable[Arrival], seconds: float, *, upstream: str, now: datetime
) -> GateAnswer:
    """Say whether a release has run long enough in the environment before."""
    ordered = sorted(arrivals, key=lambda one: one.at)
    ends = [*(one.at for one in ordered[1:]), now]
    ran = sum(
        (end - one.at for one, end in zip(ordered, ends, strict=False) if one.release_id == release_id),
        timedelta(),
    )
    left = timedelta(seconds=seconds) - ran
    lasted = f"it ran for {human_duration(ran.total_seconds())} of {human_duration(seconds)} in {upstream}"
    if left <= timedelta():
        return GateAnswer(gate=SOAK, passed=True, reason=lasted)
    if ordered and ordered[-1].release_id == release_id:
        until = now + left
        reason = f"{lasted}: the soak time ends at {_utc(until)}"
        return GateAnswer(gate=SOAK, passed=False, reason=reason, waiting=True, until=until)
    reason = f"{lasted} and does not run there now: promote it there again"
    return GateAnswer(gate=SOAK, passed=False, reason=reason)


def not_frozen(
    freezes: Sequence[Freeze],
    timezone: str,
    *,
    now: datetime,
    override: str = "",
    override_required: int = 0,
    approvers: int = 0,
) -> GateAnswer:
    """Say whether anything new may enter at this time.

    Args:
        approvers: How many approvers there are; 0 where the environment asks nobody.
    """
    window = frozen_until(freezes, timezone, now)
    if window is None:
        return GateAnswer(gate=FREEZE, passed=True, reason="there is no freeze now")
    zone = ZoneInfo(timezone)
    why = f" ({one_line(window.reason)})" if window.reason else ""
    said = f"frozen until {window.until.astimezone(zone):%a %Y-%m-%d %H:%M} {one_line(timezone)}{why}"
    if not override:
        mend = "wait, or override it with a reason (freeze_override)"
        return GateAnswer(
            gate=FREEZE, passed=False, reason=f"{said}: {mend}", waiting=True, until=window.until
        )
    if 0 < approvers < override_required:
        short = f"an override needs {override_required} approvers, the environment has {approvers}"
        return GateAnswer(
            gate=FREEZE, passed=False, reason=f"{said}: {short}", waiting=True, until=window.until
        )
    return GateAnswer(gate=FREEZE, passed=True, reason=f"{said}, overridden: {one_line(override)}")


def frozen_until(freezes: Sequence[Freeze], timezone: str, now: datetime) -> Window | None:
    """Return the freeze that is on, None where none is.

    Returns:
        Its end, over all windows that follow one another, and the reason of the first.
    """
    zone = ZoneInfo(timezone)
    until, reason = now, ""
    for _ in range(_MOST_WINDOWS):
        on = [(end, freeze.reason or "") for freeze in freezes if (end := _ends(freeze, zone, until))]
        if not on:
            break
        latest, why = max(on)
        until, reason = latest, reason or why
    return Window(until, reason) if until > now else None


def _ends(freeze: Freeze, zone: ZoneInfo, moment: datetime) -> datetime | None:
    start, until = parse_moment(freeze.start), parse_moment(freeze.until)
    if isinstance(start, datetime) and isinstance(until, datetime):
        begins, ends = (_instant(one, zone) for one in (start, until))
        return ends if begins <= moment < ends else None
    if isinstance(start, WeekMoment) and isinstance(until, WeekMoment):
        return _week_ends(start, until, zone, moment)
    raise TypeError(freeze)


def _week_ends(start: WeekMoment, until: WeekMoment, zone: ZoneInfo, moment: datetime) -> datetime | None:
    local = moment.astimezone(zone).replace(tzinfo=None)
    monday = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=local.weekday())
    length = timedelta(minutes=(until.minute - start.minute) % WEEK_MINUTES)
    # A window that began last week may reach into this one. The clock's changes are the zone's own affair.
    for week in (-1, 0):
        begins = monday + timedelta(minutes=start.minute + week * WEEK_MINUTES)
        ends = _instant(begins + length, zone)
        if _instant(begins, zone) <= moment < ends:
            return ends
    return None


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
