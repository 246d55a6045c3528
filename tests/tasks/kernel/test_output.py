"""What a command says is told line by line, kept within bounds, and never taken for whole where it was cut."""

from __future__ import annotations

import time

import pytest

from tasks.kernel.errors import TerminalError
from tasks.kernel.output import (
    LAST_LINES,
    LONGEST_LINE_BYTES,
    MOST_LINES,
    Clock,
    RawResult,
    Stream,
    Tap,
    refuse_cut,
    title,
)
from tasks.kernel.protocols import Call, Limits
from tasks.kernel.redact import MASK, Redactor


def told(*pieces: bytes, redactor: Redactor | None = None) -> list[str]:
    """Return the lines that are told of what comes in pieces."""
    lines: list[str] = []
    stream = Stream(1024, lines.append, redactor or Redactor())
    for piece in pieces:
        stream.feed(piece)
    stream.end()
    return lines


def test_lines_are_told_whole_however_they_come() -> None:
    assert told(b"one\ntw", b"o\r", b"three\r\n\n", b"four") == ["one", "two", "three", "four"]


def test_a_line_is_told_without_secrets() -> None:
    assert told(b"token hunter", b"2-geheim\n", redactor=Redactor(["hunter2-geheim"])) == [f"token {MASK}"]


def test_a_stream_without_line_ends_is_cut_into_lines() -> None:
    first, rest = told(b"x" * (LONGEST_LINE_BYTES + 1), b"y")
    assert (len(first), rest) == (LONGEST_LINE_BYTES + 1, "y")


def test_of_very_many_lines_the_first_and_the_last_are_told() -> None:
    lines = told(b"".join(b"%d\n" % number for number in range(MOST_LINES + LAST_LINES + 7)))
    assert lines[:MOST_LINES] == [str(number) for number in range(MOST_LINES)]
    assert lines[MOST_LINES] == "[7 lines left out]"
    assert lines[-1] == str(MOST_LINES + LAST_LINES + 6)
    assert len(lines) == MOST_LINES + 1 + LAST_LINES


def test_the_end_is_kept_and_says_what_is_missing() -> None:
    stream = Stream(10, None, Redactor())
    for _ in range(5):
        stream.feed(b"0123456789")
    assert stream.cut
    assert stream.bytes == b"[40 bytes left out]\n0123456789"
    short = Stream(10, None, Redactor())
    short.feed(b"012")
    assert (short.cut, short.bytes) == (False, b"012")


def test_what_goes_on_to_a_function_is_not_kept() -> None:
    pieces: list[bytes] = []
    tap = Tap(pieces.append)
    tap.feed(b"a")
    tap.feed(b"b")
    tap.end()
    assert (pieces, tap.bytes, tap.cut) == ([b"a", b"b"], b"", False)


def test_only_standard_error_is_redacted_since_standard_output_is_data() -> None:
    raw = RawResult(
        exit_code=1, stdout=b"hunter2-geheim \xff", stderr=b"hunter2-geheim", seconds=0.5, cut=True
    )
    result = raw.decoded(Call(argv=("cat",)), Redactor(["hunter2-geheim"]))
    assert (result.stdout, result.stderr, result.cut) == ("hunter2-geheim �", MASK, True)
    with pytest.raises(TerminalError, match="cat on prod: more than 64 MiB were printed"):
        refuse_cut(raw, "cat on prod")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(total_seconds=0.0, idle_seconds=9.0), "took longer than 0 s"),
        (Limits(total_seconds=9.0, idle_seconds=0.0), "said nothing for 0 s"),
    ],
)
def test_a_clock_says_which_limit_was_passed(limits: Limits, said: str) -> None:
    clock = Clock(Call(argv=("sleep",), limits=limits))
    assert (clock.remaining, clock.passed()) == (0.0, said)


def test_a_sign_of_life_moves_the_limit_of_silence() -> None:
    clock = Clock(Call(argv=("sleep",), limits=Limits(total_seconds=60.0, idle_seconds=5.0)))
    time.sleep(0.02)
    silent = clock.silent
    clock.touch()
    assert clock.silent < silent
    assert 4.9 < clock.remaining <= 5.0


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (("docker", "compose", "--file", "a.yaml", "up"), "docker compose a.yaml up"),
        (("sh", "-c", "set -e\ncat", "sluice-write", "path"), "sluice-write path"),
        (("a", "b", "c", "d", "e", "f"), "a b c d e …"),
        (("x" * 200,), "x" * 99 + "…"),
    ],
)
def test_a_command_is_named_in_a_few_words(argv: tuple[str, ...], shown: str) -> None:
    assert title(argv) == shown
