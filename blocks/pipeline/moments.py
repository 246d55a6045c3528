"""Moments as people write them in a freeze: `fri 16:00` of every week, or `2026-12-23 18:00`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES

_TIME = r"(?: (?P<hour>[01][0-9]|2[0-4]):(?P<minute>[0-5][0-9]))?"
_WEEKLY = re.compile(rf"(?P<day>{'|'.join(DAYS)}){_TIME}")
_DATED = re.compile(rf"(?P<date>2[01][0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}){_TIME}")


@dataclass(frozen=True)
class WeekMoment:
    """A moment of every week, in minutes since Monday 00:00, local time."""

    minute: int


def parse_moment(text: str) -> WeekMoment | datetime:
    """Read a moment.

    Args:
        text: `fri`, `fri 16:00`, `2026-12-23` or `2026-12-23 18:00`; without a time it is midnight before that day,
            and `24:00` the midnight after it.

    Returns:
        A moment of every week, or a date and time of the wall clock, without a zone.
    """
    weekly = _WEEKLY.fullmatch(text)
    if weekly and (minutes := _minutes(weekly)) is not None:
        return WeekMoment((DAYS.index(weekly["day"]) * DAY_MINUTES + minutes) % WEEK_MINUTES)
    dated = _DATED.fullmatch(text)
    if dated and (minutes := _minutes(dated)) is not None:
        try:
            # The wall clock's own time: which zone it is in says the section around it.
            return datetime.fromisoformat(dated["date"]) + timedelta(minutes=minutes)
        except (ValueError, OverflowError):
            pass
    raise ValueError("expected a moment such as fri 16:00 or 2026-12-23 18:00")


def _minutes(match: re.Match[str]) -> int | None:
    """Return the minutes since midnight; None for 24:01 and later."""
    minutes = int(match["hour"] or 0) * 60 + int(match["minute"] or 0)
    return minutes if minutes <= DAY_MINUTES else None
