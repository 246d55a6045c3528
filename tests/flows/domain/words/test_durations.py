"""Durations and sizes as people say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.words.durations import human_duration
from tasks.kernel.text import human_bytes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0.0 s"),
        (0.84, "0.8 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (42.4, "42 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (7200, "2 h"),
        (7270, "2 h 1 min"),
        (100_800, "1 d 4 h"),
    ],
)
def test_durations_are_said_in_two_units_at_most(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (102_000_000, "102 MB"),
        (3_000_000_000, "3.0 GB"),
        (5_000_000_000_000, "5.0 TB"),
    ],
)
def test_sizes_are_said_in_decimal_units(count: int, text: str) -> None:
    assert human_bytes(count) == text


@given(st.floats(0, 1e9))
def test_every_duration_has_a_number_and_a_unit(seconds: float) -> None:
    words = human_duration(seconds).split()
    assert len(words) in {2, 4}
    assert float(words[0]) >= 0
