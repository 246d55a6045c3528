"""The lifecycle: the named sets divide the statuses, and the transitions keep what the design promises."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.lifecycle import ACTIVE, ENDED, LIVE, OPEN, TRANSITIONS, Kind, Status, may_follow

UNTOUCHED = {Status.REJECTED, Status.EXPIRED, Status.SUPERSEDED}
statuses = st.sampled_from(Status)


def test_open_and_ended_divide_the_statuses() -> None:
    assert set(Status) == OPEN | ENDED
    assert not OPEN & ENDED
    assert ACTIVE < OPEN
    assert LIVE < ENDED


def test_every_open_status_has_a_way_on_and_no_ended_one_has() -> None:
    assert set(TRANSITIONS) == OPEN
    assert all(TRANSITIONS.values())


@pytest.mark.parametrize("status", sorted(OPEN))
def test_every_open_status_can_be_abandoned(status: Status) -> None:
    assert may_follow(status, Status.ABANDONED)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.PLANNING}))
def test_every_status_can_be_reached(status: Status) -> None:
    reached = {Status.PLANNING}
    for _ in Status:
        reached |= set(itertools.chain.from_iterable(TRANSITIONS.get(one, frozenset()) for one in reached))
    assert status in reached


def test_the_environment_is_only_changed_after_approval() -> None:
    assert {one for one in Status if Status.RUNNING in TRANSITIONS.get(one, ())} == {Status.APPROVED}
    assert {one for one in Status if Status.SUCCEEDED in TRANSITIONS.get(one, ())} == {Status.RUNNING}


def test_what_changed_the_environment_never_ends_as_if_it_had_not() -> None:
    for status in ACTIVE:
        assert not TRANSITIONS[status] & UNTOUCHED


def test_a_restore_starts_from_a_running_promotion_only() -> None:
    assert {one for one in Status if Status.RESTORING in TRANSITIONS.get(one, ())} == {Status.RUNNING}
    assert {one for one in Status if Status.RESTORED in TRANSITIONS.get(one, ())} == {Status.RESTORING}


@given(statuses, statuses)
def test_may_follow_is_the_table_and_staying(current: Status, following: Status) -> None:
    legal = following is current or following in TRANSITIONS.get(current, ())
    assert may_follow(current, following) is legal


@given(st.sampled_from(sorted(ENDED)), statuses)
def test_ended_stays_ended(ended: Status, following: Status) -> None:
    assert may_follow(ended, following) is (following is ended)


@given(st.lists(statuses))
def test_no_walk_leaves_an_end_or_goes_back_from_a_change(wanted: list[Status]) -> None:
    walk = [Status.PLANNING]
    for status in wanted:
        if may_follow(walk[-1], status):
            walk.append(status)
    touched = [status in ACTIVE for status in walk]
    if True in touched:
        after = walk[touched.index(True) :]
        assert not set(after) & {Status.PLANNING, Status.WAITING, Status.APPROVED}
    ends = [index for index, status in enumerate(walk) if status in ENDED]
    assert all(walk[index] is walk[ends[0]] for index in range(ends[0] if ends else len(walk), len(walk)))


def test_the_words_are_what_the_ledger_and_people_read() -> None:
    assert str(Status.PLANNING) == "planning"
    assert Status("abandoned") is Status.ABANDONED
    assert {str(kind) for kind in Kind} == {"promote", "rollback", "redeploy"}
