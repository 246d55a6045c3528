"""A lock that processes and threads of this machine share by a file."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.kernel.errors import TerminalError
from tasks.kernel.poll import poll

_LOOK_SECONDS = 0.2


@contextmanager
def locked(path: Path, *, seconds: float | None = None) -> Iterator[None]:
    """Hold a file's lock, which goes with the process.

    Args:
        seconds: How long it is waited for; None for as long as it takes.

    Raises:
        TerminalError: Somebody else held it all that time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if seconds is None:
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            _wait(file.fileno(), path, seconds)
        yield


def _wait(descriptor: int, path: Path, seconds: float) -> None:
    try:
        poll(
            lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB),
            lambda _: True,
            seconds=seconds,
            every=_LOOK_SECONDS,
            cured=(BlockingIOError,),
        )
    except BlockingIOError:
        raise TerminalError(
            f"another process holds {path} for more than {seconds:g} s", "look what it is busy with"
        ) from None
