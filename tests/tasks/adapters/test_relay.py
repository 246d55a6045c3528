"""Pieces from one side to the other: all of them, few at a time, and either side may break."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tasks.adapters.relay import WAITING_PIECES, SourceBrokeError, Touch, relay
from tasks.kernel.errors import TransientError
from tasks.kernel.protocols import PieceSink


def joined(pieces: Iterator[bytes], _: Touch) -> bytes:
    return b"".join(pieces)


def test_everything_arrives_in_order() -> None:
    content = [bytes([number % 256]) * 100 for number in range(1000)]

    def read(take: PieceSink) -> None:
        for piece in content:
            take(piece)

    assert relay(read, joined, idle_seconds=30) == b"".join(content)


def test_nothing_is_a_file_too() -> None:
    assert relay(lambda _: None, joined, idle_seconds=30) == b""


def test_the_reading_side_waits_for_the_writing_one() -> None:
    given, allowed = [0], threading.Event()

    def read(take: PieceSink) -> None:
        for number in range(WAITING_PIECES * 3):
            given[0] = number
            take(b"x")
            if number == WAITING_PIECES // 2:
                allowed.set()

    seen: list[int] = []

    def write(pieces: Iterator[bytes], _: Touch) -> int:
        allowed.wait(20)
        seen.extend(given[0] for _ in pieces)
        return len(seen)

    assert relay(read, write, idle_seconds=30) == WAITING_PIECES * 3
    assert all(ahead <= count + WAITING_PIECES + 1 for count, ahead in enumerate(seen))


def test_a_source_that_breaks_is_told_to_both_sides() -> None:
    told: list[type[Exception]] = []

    def read(take: PieceSink) -> None:
        take(b"half")
        raise TransientError("the source broke", "again")

    def write(pieces: Iterator[bytes], _: Touch) -> bytes:
        try:
            return b"".join(pieces)
        except SourceBrokeError as error:
            told.append(type(error))
            raise

    with pytest.raises(TransientError, match="source broke"):
        relay(read, write, idle_seconds=30)
    assert told == [SourceBrokeError]


def test_a_place_that_breaks_ends_the_reading() -> None:
    def read(take: PieceSink) -> None:
        while True:
            take(b"x" * 1000)

    def write(pieces: Iterator[bytes], _: Touch) -> bytes:
        next(pieces)
        raise TransientError("no room", "make some")

    with pytest.raises(TransientError, match="no room"):
        relay(read, write, idle_seconds=30)


def test_a_place_that_hangs_is_left() -> None:
    never = threading.Event()

    def read(take: PieceSink) -> None:
        while True:
            take(b"x")

    def write(pieces: Iterator[bytes], _: Touch) -> bytes:
        never.wait(60)
        return joined(pieces, _)

    threading.Timer(3, never.set).start()
    with pytest.raises(TransientError, match="nothing could be written for 0.5 s"):
        relay(read, write, idle_seconds=0.5)


def test_a_place_that_works_on_without_taking_says_so() -> None:
    slow = threading.Event()

    def write(pieces: Iterator[bytes], touch: Touch) -> bytes:
        content = joined(pieces, touch)
        for _ in range(20):
            slow.wait(0.2)
            touch()
        return content

    assert relay(lambda take: take(b"all"), write, idle_seconds=3) == b"all"
