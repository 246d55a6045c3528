"""One of a kind on this machine: what is begun again while it still goes on has nothing to add."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Hold a lock for as long as this process lives or the block lasts; it is never waited for.

    A process that dies lets go of it, which a place that a server counts does not.

    Yields:
        False where another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
