"""Durations as people write them: `90s`, `15m`, `24h`, `7d`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION_EXAMPLES = ["90s", "15m", "24h", "7d"]
LONGEST_SECONDS = 366 * 86400.0

_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,3})?[smhd])+")
_DURATION_PART = re.compile(r"([0-9.]+)([smhd])")


def parse_duration(value: object) -> float:
    """Turn `90s`, `15m`, `1h30m`, `24h` or `7d` into seconds; numbers are seconds already."""
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError("expected a duration such as 90s, 15m, 24h or 7d")
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise ValueError("expected a duration between 0s and 366d")
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        parts = _DURATION_PART.findall(value) if _DURATION.fullmatch(value) else None
        return None if parts is None else sum(float(count) * UNIT_SECONDS[unit] for count, unit in parts)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def format_duration(seconds: float) -> str:
    """Write seconds with the largest unit that leaves a whole number: `15m` for 900, `90s` for 90."""
    for unit, size in reversed(UNIT_SECONDS.items()):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


Duration = Annotated[
    float,
    BeforeValidator(
        parse_duration,
        json_schema_input_type=Annotated[float, Field(ge=0)]
        | Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?[smhd])+$", examples=DURATION_EXAMPLES)],
    ),
]
