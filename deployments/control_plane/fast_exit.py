"""Ends a process whose work is done, without first taking apart all it has imported.

At its end the interpreter empties every module and looks through all objects once more. In a copy that shares its
memory with the process it was forked from, each object looked at is a page copied: two thirds of a second of pure
computing for each run. `multiprocessing` leaves its copies in the same way.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys

_code: int | None = None


def end_with(code: int) -> None:
    """Have this process end with an exit code as soon as all that is registered for its end was done."""
    global _code  # noqa: PLW0603 - a process has one end
    _code = code


def code_of(ended: SystemExit) -> int | None:
    """Return the exit code that `sys.exit` was given; None where it was given words, which the interpreter prints."""
    if ended.code is None:
        return 0
    return ended.code if isinstance(ended.code, int) else None


@atexit.register
def _end() -> None:
    if _code is None:
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(_code)
