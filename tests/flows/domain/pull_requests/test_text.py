"""What people typed, in what is written on GitHub."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from flows.domain.pull_requests.text import LONGEST_BODY, LONGEST_TITLE, body_of, span, title_of


def test_nobody_is_called_and_nothing_is_closed() -> None:
    assert span("fixes #1 @ana <b>") == "`fixes #1 @ana <b>`"
    assert span("a `b` c") == "``a `b` c``"
    assert span("`a``b`") == "``` `a``b` ```"
    assert span("two\nlines") == "`two lines`"
    assert span("") == span(" \n ") == ""


@given(st.text(max_size=200))
def test_nothing_inside_ends_a_span(text: str) -> None:
    shown = span(text)
    if shown:
        fence = re.match("`+", shown)
        assert fence
        inside = shown[len(fence[0]) : -len(fence[0])]
        assert fence[0] not in re.findall("`+", inside)
        assert "\n" not in shown
        assert not inside.startswith("`")
        assert not inside.endswith("`")


def test_lengths_are_githubs() -> None:
    assert len(title_of("x" * 1000)) == LONGEST_TITLE
    assert title_of("a\nb") == "a b"
    assert body_of("a", "", "b") == "a\n\nb"
    assert len(body_of("x" * 100_000)) == LONGEST_BODY
