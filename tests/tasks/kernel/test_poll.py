"""Looking again: what ends it, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.poll import poll


def _finds(*found: object) -> tuple[Callable[[], object], list[object]]:
    left, seen = list(found), []

    def look() -> object:
        one = left.pop(0) if len(left) > 1 else left[0]
        seen.append(one)
        if isinstance(one, Exception):
            raise one
        return one

    return look, seen


def test_ends_with_what_is_enough() -> None:
    look, seen = _finds(0, 1, 2, 3)
    assert poll(look, lambda found: found == 2, seconds=9, every=0.001) == 2
    assert seen == [0, 1, 2]


def test_looks_once_where_there_is_no_time() -> None:
    look, seen = _finds("")
    assert poll(look, seconds=0, every=9) == ""
    assert seen == [""]


def test_returns_what_it_found_last_when_the_time_is_over() -> None:
    look, seen = _finds(None)
    assert poll(look, seconds=0.02, every=0.005) is None
    assert len(seen) > 1


def test_looks_again_after_an_error_that_another_look_cures() -> None:
    look, _ = _finds(TransientError("down", "wait"), "up")
    assert poll(look, seconds=9, every=0.001, cured=(TransientError,)) == "up"


def test_raises_what_the_last_look_raised() -> None:
    look, seen = _finds(TransientError("down", "wait"))
    with pytest.raises(TransientError, match="down"):
        poll(look, seconds=0.02, every=0.005, cured=(TransientError,))
    assert len(seen) > 1


def test_another_error_ends_it_at_once() -> None:
    look, seen = _finds(TerminalError("broken", "repair"), "up")
    with pytest.raises(TerminalError, match="broken"):
        poll(look, seconds=9, every=0.001, cured=(TransientError,))
    assert len(seen) == 1
