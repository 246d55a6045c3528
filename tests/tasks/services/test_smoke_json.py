"""When a JSON answer holds what is expected."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.services.checks import contains

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("actual", "expected", "held"),
    [
        ({"status": "ok", "more": 1}, {"status": "ok"}, True),
        ({"status": "ok"}, {"status": "bad"}, False),
        ({}, {"status": None}, False),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}, True),
        ([1, 2], [1], False),
        (1, True, False),
        ("ok", {"status": "ok"}, False),
    ],
)
def test_a_subset_is_enough(actual: Any, expected: Any, held: bool) -> None:
    assert contains(actual, expected) is held


@given(JSON)
def test_everything_contains_itself(value: Any) -> None:
    assert contains(value, value)


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=3), JSON)
def test_a_key_more_changes_nothing(value: dict[str, Any], extra: Any) -> None:
    assert contains({**value, "\0more": extra}, value)
