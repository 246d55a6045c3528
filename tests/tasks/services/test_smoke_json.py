"""When a JSON answer holds what is expected."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.pipeline import load_pipeline
from tasks.kernel.errors import TerminalError
from tasks.services.checks import check_all, contains
from tests.flows.domain.samples import release
from tests.samples.runs import run_of
from tests.tasks.adapters.web import Reply, endless, serve

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


PIPELINE = """
pipeline: shop
registry: main
smoke:
  - {{http: /, via: controller, timeout: 1s, within: 0s{more}}}
environments:
  prod: {{hosts: [prod], branches: [main], address: "{address}"}}
"""


def check(address: str, more: str = "") -> None:
    pipeline = load_pipeline(PIPELINE.format(address=address, more=more), "pipeline.yaml")
    run = run_of(pipeline, hosts={"prod": cast("Any", None)}, directories={"prod": ""})
    check_all(run, host="prod", release=release(), checkout=None)


@pytest.mark.timeout(20)
def test_an_answer_that_does_not_end_holds_nobody_up() -> None:
    """The lease is held meanwhile."""
    with endless() as address:
        check(f"http://{address}")
        with pytest.raises(TerminalError, match="did not end within 1 s"):
            check(f"http://{address}", ", json: {status: ok}")


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"[" * 200_000, "is not JSON"), (b'"' + b"x" * 2**21, "longer than"), (b"{}", "lacks")],
)
def test_an_answer_of_any_kind_is_only_red(body: bytes, said: str) -> None:
    with serve(lambda _: Reply(body=body)) as web, pytest.raises(TerminalError, match=said):
        check(web.url, ", json: {status: ok}")


def test_more_than_was_expected_is_no_harm() -> None:
    with serve(lambda _: Reply(body=b'{"status": "ok", "more": 1}')) as web:
        check(web.url, ", json: {status: ok}")
