"""How long to leave alone what does not answer."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime, timedelta

FIRST = timedelta(seconds=1)
LONGEST = timedelta(seconds=60)


class Backoff:
    """For each thing, until when it is left alone: twice as long after each failure, up to a minute."""

    def __init__(self) -> None:
        self._closed: dict[Hashable, tuple[int, datetime]] = {}

    def close(self, what: Hashable, now: datetime) -> datetime:
        """Leave a thing alone, longer each time; return until when."""
        failures = self._closed.get(what, (0, now))[0]
        pause: timedelta = FIRST * 2 ** min(failures, 10)
        until = now + min(pause, LONGEST)
        self._closed[what] = (failures + 1, until)
        return until

    def open(self, what: Hashable) -> None:
        """Forget its failures: it answered."""
        self._closed.pop(what, None)

    def names(self, now: datetime) -> set[Hashable]:
        """Return what is to be left alone now."""
        return {what for what, (_, until) in self._closed.items() if now < until}
