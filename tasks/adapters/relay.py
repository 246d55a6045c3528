"""Carries a file from one place to another through this process, with a few pieces in memory at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import TypeVar

from tasks.kernel.errors import TransientError
from tasks.kernel.protocols import PieceSink

# Pieces of an SSH channel are 32 KiB at most, so no more than two megabytes wait.
WAITING_PIECES = 64
_POLL_SECONDS = 0.25
# How long the writing side has to clean up after it was told that the reading side broke.
_CLEANING_SECONDS = 30.0

T = TypeVar("T")

Touch = Callable[[], None]
Reader = Callable[[PieceSink], object]
Writer = Callable[[Iterator[bytes], Touch], T]


class SourceBrokeError(Exception):
    """The reading side failed: what was written so far is not all."""


class _WriterEndedError(Exception):
    """The writing side ended before it had everything."""


class _Buffer:
    """The pieces on their way, and when the writing side last moved."""

    def __init__(self, idle_seconds: float, ended: Callable[[], bool]) -> None:
        self._queue: Queue[bytes | None] = Queue(WAITING_PIECES)
        self._idle_seconds = idle_seconds
        self._moved = time.monotonic()
        self._ended = ended
        self.broke = threading.Event()

    def touch(self) -> None:
        """Note that the writing side moves."""
        self._moved = time.monotonic()

    def check(self) -> None:
        """Raise where the writing side has not moved for too long."""
        if time.monotonic() - self._moved > self._idle_seconds:
            raise TransientError(
                f"nothing could be written for {self._idle_seconds:g} s",
                "check that the place of the copy answers, then try again",
            )

    def put(self, piece: bytes | None) -> None:
        """Put a piece in, waiting for room; None: that was all."""
        while not self._ended():
            with suppress(Full):
                self._queue.put(piece, timeout=_POLL_SECONDS)
                return
            self.check()
        raise _WriterEndedError

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces to the end."""
        while not self.broke.is_set():
            try:
                piece = self._queue.get(timeout=_POLL_SECONDS)
            except Empty:
                # It is the reading side that is slow, and that one has limits of its own.
                self.touch()
                continue
            self.touch()
            if piece is None:
                return
            yield piece
        raise SourceBrokeError


def relay(read: Reader, write: Writer[T], *, idle_seconds: float) -> T:
    """Carry what one side reads to the other, which writes it.

    Args:
        write: Writes the pieces it is given; it calls the second argument while it works on without taking one. It
            gets a `SourceBrokeError` from the pieces when reading failed.

    Raises:
        TransientError: The writing side stood still for too long; it is left alone.
        Exception: What either side raised; the reading side's counts where both did.
    """
    written: Future[T] = Future()
    buffer = _Buffer(idle_seconds, written.done)

    def work() -> None:
        try:
            written.set_result(write(buffer.pieces(), buffer.touch))
        except Exception as error:  # noqa: BLE001 - raised where the relay is waited for
            written.set_exception(error)

    # A daemon: a writing side that hangs for good does not hold up the end of the process.
    threading.Thread(target=work, name="relay", daemon=True).start()
    try:
        with suppress(_WriterEndedError):
            read(buffer.put)
            buffer.put(None)
        while not wait([written], _POLL_SECONDS).done:
            buffer.check()
    except BaseException:
        buffer.broke.set()
        wait([written], _CLEANING_SECONDS)
        raise
    return written.result()
