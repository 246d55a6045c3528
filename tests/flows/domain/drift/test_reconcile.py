"""What becomes of an open promotion: nothing while anything may carry it, and never two things at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.flow_runs import RunFact
from blocks.values.lifecycle import ACTIVE, OPEN, Status, may_follow
from flows.domain.drift.reconcile import (
    EXPIRED,
    GRACE,
    LONGEST_ELSEWHERE,
    Act,
    Life,
    Open,
    ReconcileDecision,
    decide,
    how_it_ended,
    life_of,
)
from tests.flows.domain.samples import NOW

LONG_AGO = NOW - timedelta(minutes=10)


def fact(state: str, **changes: Any) -> RunFact:
    return RunFact(**{"state": state, "name": state.capitalize(), "since": LONG_AGO} | changes)


def judged(status: Status, life: Life = Life.ENDED, **changes: Any) -> ReconcileDecision:
    values: dict[str, Any] = {"status": status, "life": life, "ended": "crashed", "quiet_since": LONG_AGO}
    return decide(Open(**values | changes), now=NOW)


@pytest.mark.parametrize(
    ("state", "life"),
    [
        ("SCHEDULED", Life.ALIVE),
        ("PENDING", Life.ALIVE),
        ("CANCELLING", Life.ALIVE),
        ("RUNNING", Life.ALIVE),
        ("PAUSED", Life.SUSPENDED),
        ("CRASHED", Life.ENDED),
        ("FAILED", Life.ENDED),
        ("COMPLETED", Life.ENDED),
        ("CANCELLED", Life.CANCELLED),
    ],
)
def test_prefects_word_counts(state: str, life: Life) -> None:
    assert life_of(fact(state), now=NOW, sign_seconds=30) is life


def test_a_run_prefect_does_not_know_is_gone() -> None:
    assert life_of(None, now=NOW, sign_seconds=30) is Life.GONE


@pytest.mark.parametrize(
    ("run", "life", "said"),
    [
        (None, Life.GONE, "is gone"),
        (fact("RUNNING"), Life.SILENT, "fell silent"),
        (fact("CANCELLED"), Life.CANCELLED, "was cancelled"),
        (fact("CRASHED"), Life.ENDED, "crashed"),
        (fact("PAUSED", name="Suspended"), Life.SUSPENDED, "suspended"),
    ],
)
def test_people_are_told_how_a_run_ended(run: RunFact | None, life: Life, said: str) -> None:
    assert how_it_ended(run, life) == said


@pytest.mark.parametrize(
    ("seconds", "every", "life"),
    [(149, 30, Life.ALIVE), (151, 30, Life.SILENT), (9999, None, Life.ALIVE)],
)
def test_a_run_is_silent_after_five_signs_that_did_not_come(
    seconds: int, every: float | None, life: Life
) -> None:
    run = fact("RUNNING", last_sign=NOW - timedelta(seconds=seconds))
    assert life_of(run, now=NOW, sign_seconds=every) is life


def test_a_run_that_never_gave_a_sign_is_not_called_silent() -> None:
    assert life_of(fact("RUNNING"), now=NOW, sign_seconds=30) is Life.ALIVE


def test_a_sign_of_an_earlier_life_does_not_count_against_a_run_started_again() -> None:
    run = fact("RUNNING", since=NOW - timedelta(seconds=5), last_sign=LONG_AGO)
    assert life_of(run, now=NOW, sign_seconds=30) is Life.ALIVE


@pytest.mark.parametrize("status", sorted(OPEN))
def test_what_lives_is_left(status: Status) -> None:
    assert judged(status, Life.ALIVE).act is Act.LEAVE


@pytest.mark.parametrize("status", sorted(OPEN))
@pytest.mark.parametrize("life", [Life.ENDED, Life.CANCELLED, Life.SILENT, Life.GONE])
def test_what_ended_this_moment_is_left(status: Status, life: Life) -> None:
    assert judged(status, life, quiet_since=NOW - GRACE + timedelta(seconds=1)).act is Act.LEAVE


def test_a_waiting_promotion_ends_when_its_time_is_over() -> None:
    late, early = NOW, NOW + timedelta(seconds=1)
    assert judged(Status.WAITING, Life.SUSPENDED, deadline=early).act is Act.LEAVE
    for life in (Life.SUSPENDED, Life.ENDED, Life.GONE):
        decision = judged(Status.WAITING, life, deadline=late)
        assert (decision.act, decision.status, decision.message) == (Act.END, Status.EXPIRED, EXPIRED)


@pytest.mark.parametrize("status", [Status.PLANNING, Status.WAITING, Status.APPROVED])
def test_a_run_that_died_before_it_touched_anything_is_abandoned(status: Status) -> None:
    decision = judged(status, deadline=NOW + timedelta(hours=1))
    assert (decision.act, decision.status) == (Act.END, Status.ABANDONED)
    assert "crashed before anything was touched" in decision.message


def test_a_run_that_may_be_of_another_server_is_left_for_a_day() -> None:
    assert judged(Status.PLANNING, Life.GONE).act is Act.LEAVE
    old = judged(Status.PLANNING, Life.GONE, quiet_since=NOW - LONGEST_ELSEWHERE)
    assert old.status is Status.ABANDONED


@pytest.mark.parametrize("status", sorted(ACTIVE))
@pytest.mark.parametrize("life", [Life.ENDED, Life.CANCELLED, Life.SILENT, Life.GONE])
@pytest.mark.parametrize("begun", [True, False])
def test_nothing_is_done_while_the_lease_is_held(status: Status, life: Life, *, begun: bool) -> None:
    assert judged(status, life, leased=True, switch_begun=begun, switched=False).act is Act.LEAVE


def test_before_the_switch_it_failed_where_the_hosts_say_so() -> None:
    decision = judged(Status.RUNNING, switched=False, before="r1")
    assert (decision.act, decision.status) == (Act.END, Status.FAILED)
    assert decision.message.endswith("nothing was switched, r1 still runs")
    half = judged(Status.RUNNING, switched=False, before="r1", migration_begun=True, revision="b2")
    assert half.message.endswith("r1 still runs; its migration had begun, the database is at revision b2")
    assert judged(Status.RUNNING, switched=False, migration_begun=True, migrating=True).act is Act.LEAVE
    assert judged(Status.RUNNING, switched=None).act is Act.LEAVE
    assert judged(Status.RUNNING, switched=True).act is Act.CALL


@pytest.mark.parametrize(
    ("changes", "act"),
    [
        ({}, Act.RETRY),
        ({"life": Life.SILENT}, Act.RETRY),
        ({"life": Life.CANCELLED}, Act.CALL),
        ({"retried": True}, Act.CALL),
        ({"deployed": False}, Act.CALL),
        ({"life": Life.GONE}, Act.CALL),
    ],
)
@pytest.mark.parametrize("status", sorted(ACTIVE))
def test_in_the_middle_of_the_switch_it_is_started_again_once(
    status: Status, changes: dict[str, Any], act: Act
) -> None:
    assert judged(status, switch_begun=True, **changes).act is act


def test_a_restoring_promotion_goes_on_also_where_the_journal_has_no_switch() -> None:
    assert judged(Status.RESTORING).act is Act.RETRY


@pytest.mark.parametrize("status", sorted(ACTIVE))
def test_whoever_rolled_back_without_the_ledger_took_over(status: Status) -> None:
    decision = judged(status, switch_begun=True, overtaken="ada rolled back and")
    assert (decision.act, decision.status) == (Act.END, Status.ABANDONED)


OPENS = st.builds(
    Open,
    status=st.sampled_from(sorted(OPEN)),
    life=st.sampled_from(sorted(Life)),
    quiet_since=st.none() | st.timedeltas(timedelta(0), timedelta(days=2)).map(lambda ago: NOW - ago),
    leased=st.booleans(),
    overtaken=st.sampled_from(["", "ada"]),
    switch_begun=st.booleans(),
    switched=st.none() | st.booleans(),
    migration_begun=st.booleans(),
    migrating=st.booleans(),
    retried=st.booleans(),
    deployed=st.booleans(),
    deadline=st.none() | st.timedeltas(timedelta(days=-2), timedelta(days=2)).map(lambda off: NOW + off),
)


@given(OPENS)
def test_whatever_is_decided_is_legal_and_said(one: Open) -> None:
    decision = decide(one, now=NOW)
    assert (decision.act is Act.END) == (decision.status is not None)
    assert bool(decision.message) == (decision.act is not Act.LEAVE)
    if decision.status is not None:
        assert may_follow(one.status, decision.status)
    if one.life is Life.ALIVE or (one.leased and one.status in ACTIVE):
        assert decision.act is Act.LEAVE
    if decision.act is Act.RETRY:
        assert not one.retried
        assert not one.leased
        assert one.status in ACTIVE
