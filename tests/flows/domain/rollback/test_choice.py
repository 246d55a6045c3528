"""Which release a rollback goes back to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.lifecycle import Status
from flows.domain.rollback.choice import PastPromotion, RollbackDecision, choose_target
from tests.flows.domain.samples import NOW

COMMITS = {
    "r1": "aaaa1" + "0" * 35,
    "r2": "aaaa2" + "0" * 35,
    "r3": "bbbb3" + "0" * 35,
    "r4": "cccc4" + "0" * 35,
}


def past(release: str, minute: int, status: Status = Status.SUCCEEDED) -> PastPromotion:
    return PastPromotion(
        release_id=release,
        commit=COMMITS[release],
        status=status,
        ended_at=NOW + timedelta(minutes=minute),
    )


HISTORY = (past("r2", 2), past("r1", 1), past("r4", 3, Status.RESTORED), past("r3", 4))


def choose(wanted: str = "", **changes: Any) -> RollbackDecision:
    values: dict[str, Any] = {
        "history": HISTORY,
        "environment": "prod",
        "running_release_id": "r3",
    }
    values |= changes
    return choose_target(wanted, values.pop("history"), **values)


def test_without_a_name_it_is_the_last_good_release_in_time_order() -> None:
    decision = choose()
    assert decision.release_id == "r2"
    assert decision.refused_reason == ""


def test_a_second_rollback_does_not_return_to_what_the_first_one_left() -> None:
    assert choose(running_release_id="r2", held={"r3"}).release_id == "r1"


def test_where_the_running_release_is_not_known_the_newest_good_one_is_taken() -> None:
    assert choose(running_release_id=None).release_id == "r3"


def test_running_unchanged_counts_as_good() -> None:
    assert choose(history=(past("r1", 1, Status.UNCHANGED), past("r3", 2))).release_id == "r1"


def test_nothing_earlier_is_refused_with_a_way_out() -> None:
    decision = choose(history=(past("r3", 4), past("r1", 1, Status.FAILED)))
    assert decision == RollbackDecision(
        release_id=None, refused_reason="no earlier good release is known in prod — promote one"
    )


@pytest.mark.parametrize("wanted", ["r1", " r1 ", "aaaa1", "AAAA1", COMMITS["r1"]])
def test_a_release_is_named_by_id_or_commit(wanted: str) -> None:
    assert choose(wanted).release_id == "r1"


@pytest.mark.parametrize(
    ("wanted", "changes", "reason"),
    [
        ("aaaa", {}, "'aaaa' may be any of r2, r1 — give more digits"),
        ("r4", {}, "'r4' has not succeeded in prod before — those that have, newest first: r3, r2, r1"),
        ("cccc4", {}, "'cccc4' has not succeeded in prod before — those that have, newest first: r3, r2, r1"),
        ("aaa", {}, "'aaa' has not succeeded in prod before — those that have, newest first: r3, r2, r1"),
        (
            "x; rm",
            {"history": ()},
            "'x; rm' has not succeeded in prod before — those that have, newest first: none",
        ),
        ("r3", {}, "r3 is what runs in prod now — nothing to do"),
        ("r2", {"held": {"r2"}}, "r2 is on hold in prod — `sluice unhold prod --reason …` first"),
    ],
)
def test_a_named_release_that_cannot_be_gone_back_to(
    wanted: str, changes: dict[str, Any], reason: str
) -> None:
    decision = choose(wanted, **changes)
    assert decision.release_id is None
    assert decision.refused_reason == reason


PASTS = st.lists(
    st.builds(past, st.sampled_from(sorted(COMMITS)), st.integers(0, 9), st.sampled_from(sorted(Status))),
    max_size=8,
)


@given(
    PASTS, st.sampled_from(["", "r1", "r2", "aaaa", "bbbb3"]), st.sampled_from([None, *COMMITS]), st.data()
)
def test_a_target_has_succeeded_and_is_neither_running_nor_held(
    history: list[PastPromotion], wanted: str, running: str | None, data: st.DataObject
) -> None:
    held = data.draw(st.sets(st.sampled_from(sorted(COMMITS))))
    decision = choose(wanted, history=history, running_release_id=running, held=held)
    assert bool(decision.refused_reason) is (decision.release_id is None)
    if decision.release_id is not None:
        good = [p for p in history if p.status in {Status.SUCCEEDED, Status.UNCHANGED}]
        assert decision.release_id in {promotion.release_id for promotion in good}
        assert decision.release_id != running
        assert decision.release_id not in held
