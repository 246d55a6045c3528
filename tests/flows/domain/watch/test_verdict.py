"""How a watch ends after a look."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.values.watch import WatchEnd, WatchFinding
from flows.domain.watch.verdict import verdict_of
from tests.flows.domain.watch.test_watch import error, look

WRONG = (WatchFinding(what="web is unhealthy"),)


def ended(**changes: Any) -> WatchEnd | None:
    values: dict[str, Any] = {
        "looks": [look(error())],
        "findings": (),
        "unknown": (),
        "problem": "",
        "last": True,
        "replaced": False,
    }
    values |= changes
    return verdict_of(
        "v2 is healthy in prod", values.pop("looks"), values.pop("findings"), values.pop("unknown"), **values
    )


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "green"),
        ({"unknown": ["what ran before is not known"]}, "unclear"),
        ({"problem": "prod does not answer"}, "blind"),
        ({"findings": WRONG}, "red"),
        ({"findings": WRONG, "last": False}, "red"),
        ({"findings": WRONG, "problem": "prod does not answer"}, "red"),
        ({"findings": WRONG, "problem": "prod does not answer", "replaced": True}, "blind"),
    ],
)
def test_the_verdict(changes: dict[str, Any], verdict: str) -> None:
    end = ended(**changes)
    assert end is not None
    assert end.verdict == verdict


@pytest.mark.parametrize(
    "changes",
    [
        {"last": False},
        {"last": False, "problem": "prod does not answer"},
        {"last": False, "unknown": ["what ran before is not known"]},
        {"findings": WRONG, "replaced": True},
        {"findings": WRONG, "replaced": True, "last": False},
    ],
)
def test_it_goes_on(changes: dict[str, Any]) -> None:
    """A host that is away says nothing about the release, and neither does what another release does."""
    assert ended(**changes) is None


def test_what_it_says() -> None:
    green, unclear = ended(), ended(unknown=["a is not known", "b is not known"])
    assert green is not None
    assert unclear is not None
    assert green.text == "v2 is healthy in prod: 100 log lines, nothing red"
    assert unclear.text == (
        "v2 is healthy in prod as far as is known: 100 log lines, nothing red in them; a is not known; b is not known"
    )
    assert green.errors == (error(),)


def test_the_errors_that_are_kept_are_bounded() -> None:
    end = ended(looks=[look(*(error(f"ERROR {number}") for number in range(80)))])
    assert end is not None
    assert len(end.errors) == 50
