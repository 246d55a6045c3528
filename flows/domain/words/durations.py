"""Durations as people say them."""

from __future__ import annotations

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def human_duration(seconds: float) -> str:
    """Say a duration in at most two units.

    Returns:
        For example `0.8 s`, `42 s`, `3 min 5 s`, `2 h`, `1 d 4 h`.
    """
    seconds = max(0.0, seconds)
    if seconds < 9.95:  # noqa: PLR2004 - what rounds to 10 is said without a decimal
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, smaller, smaller_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name} {rest} {smaller_name}" if rest else f"{whole // size} {name}"
    return f"{whole} s"
