"""What GitHub says, judged: checks, reviews, protection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.github import CheckFact, ProtectionFact, PullRequestFact, RequiredCheck, ReviewFact
from blocks.values.plans import GateAnswer
from blocks.values.pull_requests import BY_RULE
from flows.domain.gates.github import (
    APPEARS_WITHIN_SECONDS,
    GREEN,
    brought_by,
    checks_green,
    protected,
    reviewed,
    unreadable,
)
from tests.flows.domain.samples import HOSTILE, SHA

HEAD = "b" * 40
OLD = "c" * 40
MERGED = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LATE = APPEARS_WITHIN_SECONDS + 1
RED = (
    "failure",
    "cancelled",
    "timed_out",
    "action_required",
    "startup_failure",
    "stale",
    "error",
    "never heard of",
)


def run(name: str, state: str, number: int = 1, **changes: Any) -> CheckFact:
    values = {"kind": "run", "app_id": 15368, "link": f"https://ci/{number}"}
    return CheckFact(name=name, state=state, number=number, **(values | changes))


def status(context: str, state: str, number: int = 1) -> CheckFact:
    return CheckFact(kind="status", name=context, state=state, number=number)


def ask(found: list[CheckFact], *names: str, waited: float = LATE) -> GateAnswer:
    required = [RequiredCheck(name=name) for name in names or ("test",)]
    return checks_green(required, found, waited_seconds=waited, link="https://commit")


def state_of(answer: GateAnswer) -> str:
    return "pass" if answer.passed else "waiting" if answer.waiting else "fail"


# -- checks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(GREEN))
def test_what_counts_as_green(state: str) -> None:
    assert state_of(ask([run("test", state)])) == "pass"


@pytest.mark.parametrize("state", RED)
def test_what_counts_as_red(state: str) -> None:
    answer = ask([run("test", state)], waited=0)
    assert state_of(answer) == "fail"
    assert answer.reason == f"test ended with {state}: fix it, or run the check again"
    assert answer.link == "https://ci/1"


def test_what_runs_is_waited_for() -> None:
    answer = ask([run("test", "pending")])
    assert state_of(answer) == "waiting"
    assert answer.reason == "test has not ended"


def test_what_is_missing_is_not_green() -> None:
    answer = ask([])
    assert state_of(answer) == "fail"
    assert (
        answer.reason == "test is missing: correct its name under gates.checks, or let it run on this commit"
    )
    assert answer.link == "https://commit"


def test_what_is_missing_may_still_come() -> None:
    assert state_of(ask([], waited=0)) == "waiting"
    # A job that needs others has no check run before they ended.
    assert state_of(ask([run("build", "pending")])) == "waiting"
    assert state_of(ask([run("build", "success")])) == "fail"


def test_its_own_status_is_not_waited_for() -> None:
    assert state_of(ask([status("sluice/prod", "pending")])) == "fail"
    assert state_of(ask([run("sluice/prod", "pending")])) == "waiting"


def test_no_required_check_is_no_green() -> None:
    answer = checks_green([], [run("test", "success")], waited_seconds=0)
    assert state_of(answer) == "fail"
    assert "no check is required" in answer.reason


def test_optional_checks_do_not_block() -> None:
    assert (
        state_of(ask([run("test", "success"), run("lint", "failure"), status("coverage", "error")])) == "pass"
    )


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [("failure", "success", "pass"), ("success", "failure", "fail"), ("failure", "pending", "waiting")],
)
def test_the_newest_attempt_counts_in_whatever_order_they_come(first: str, second: str, found: str) -> None:
    attempts = [run("test", first, 1), run("test", second, 2)]
    assert state_of(ask(attempts)) == state_of(ask(attempts[::-1])) == found


@pytest.mark.parametrize(
    ("of_status", "of_run", "found"),
    [
        ("success", "success", "pass"),
        ("success", "failure", "fail"),
        ("failure", "success", "fail"),
        ("pending", "success", "waiting"),
    ],
)
def test_a_status_and_a_run_of_one_name_must_both_be_green(of_status: str, of_run: str, found: str) -> None:
    assert state_of(ask([status("test", of_status, 9), run("test", of_run, 1)])) == found


def test_a_check_of_another_app_does_not_count_where_one_is_required() -> None:
    required = [RequiredCheck(name="test", app_id=15368)]
    for found in (
        [run("test", "success", app_id=666)],
        [run("test", "success", app_id=None)],
        [status("test", "success")],
    ):
        assert state_of(checks_green(required, found, waited_seconds=LATE)) == "fail"
    both = [run("test", "success", 1), run("test", "failure", 2, app_id=666)]
    assert state_of(checks_green(required, both, waited_seconds=LATE)) == "pass"


def test_every_check_that_is_not_green_is_named() -> None:
    answer = ask(
        [run("a", "failure"), run("b", "pending"), run("d", "success")], "a", "b", "c", "d", waited=0
    )
    assert state_of(answer) == "fail"
    assert answer.reason == (
        "a ended with failure; b has not ended; c is missing: fix it, or run the check again"
    )


def test_hostile_names_stay_on_one_line() -> None:
    answer = ask([run(HOSTILE, HOSTILE)], HOSTILE)
    assert state_of(answer) == "fail"
    assert "\n" not in answer.reason
    assert "\u202e" not in answer.reason


FACTS = st.builds(
    CheckFact,
    kind=st.sampled_from(["status", "run"]),
    name=st.sampled_from(["test", "build", "lint"]),
    state=st.sampled_from([*GREEN, *RED, "pending"]),
    number=st.integers(1, 50),
    app_id=st.sampled_from([None, 15368, 666]),
)


@given(
    st.lists(FACTS, max_size=8), st.sets(st.sampled_from(["test", "build"]), min_size=1), st.floats(0, 1000)
)
def test_green_means_that_every_required_name_has_a_green_newest_attempt(
    found: list[CheckFact], names: set[str], waited: float
) -> None:
    found = list({fact.number: fact for fact in found}.values())
    answer = ask(found, *sorted(names), waited=waited)
    for name in names:
        own = [fact for fact in found if fact.name == name]
        newest = [
            max((fact for fact in own if fact.kind == kind), key=lambda fact: fact.number, default=None)
            for kind in ("status", "run")
        ]
        states = {fact.state for fact in newest if fact is not None}
        if answer.passed:
            assert states
            assert states <= GREEN
        if states - GREEN - {"pending"}:
            assert state_of(answer) == "fail"


# -- reviews --------------------------------------------------------------------------------------------------------


def review(reviewer: str, state: str = "APPROVED", commit: str = HEAD, **changes: Any) -> ReviewFact:
    return ReviewFact(
        **({"reviewer": reviewer, "state": state, "commit": commit, "may_write": True} | changes)
    )


def pull(*reviews: ReviewFact, **changes: Any) -> PullRequestFact:
    values = {
        "number": 7,
        "author": "ada",
        "head": HEAD,
        "base": "main",
        "merged_at": MERGED,
        "merge_commit": SHA,
    }
    return PullRequestFact(**(values | {"link": "https://pull/7", "reviews": reviews} | changes))


def ask_reviews(*reviews: ReviewFact, required: int = 1, **changes: Any) -> GateAnswer:
    return reviewed([pull(*reviews, **changes)], SHA, required)


def test_enough_approvals_of_the_merged_head() -> None:
    answer = ask_reviews(review("ben"), review("cy"), required=2)
    assert answer.passed
    assert answer.reason == "pull request #7 was approved by ben, cy"
    assert answer.link == "https://pull/7"


def test_too_few() -> None:
    answer = ask_reviews(review("ben"), required=2)
    assert state_of(answer) == "fail"
    assert (
        answer.reason == "pull request #7 has 1 of 2 approving reviews of its last commit: ask for a review"
    )


@pytest.mark.parametrize(
    "reviews",
    [
        [review("ada")],
        [review("ADA")],
        [review("")],
        [review("ben", may_write=False)],
        [review("ben", "COMMENTED")],
        [review("ben", "PENDING")],
        [review("ben", "DISMISSED")],
        [review("ben"), review("ben", "DISMISSED")],
        [review("ben"), review("Ben", "CHANGES_REQUESTED")],
        [review("ben", commit=OLD)],
        [review("ben"), review("ben", commit=OLD)],
        [review("ben"), review("cy", "CHANGES_REQUESTED")],
    ],
)
def test_what_does_not_count(reviews: list[ReviewFact]) -> None:
    assert state_of(ask_reviews(*reviews)) == "fail"


def test_what_a_rule_approved_was_read_by_nobody() -> None:
    by_rule = review("sluice-bot", body=f"{BY_RULE}\nApproved")
    assert not ask_reviews(by_rule).passed
    assert not ask_reviews(by_rule, review("ben"), required=2).passed
    assert ask_reviews(by_rule, review("ben")).passed


@pytest.mark.parametrize(
    "reviews",
    [
        [review("ben"), review("ben", "COMMENTED")],
        [review("ben", "CHANGES_REQUESTED"), review("ben")],
        [review("ben", "CHANGES_REQUESTED"), review("ben", "DISMISSED"), review("cy")],
        [review("ben", commit=OLD), review("ben")],
        [review("ben"), review("eve", "CHANGES_REQUESTED", may_write=False)],
        [review("ben"), review("ada", "CHANGES_REQUESTED")],
    ],
)
def test_what_does_count(reviews: list[ReviewFact]) -> None:
    assert ask_reviews(*reviews).passed


def test_one_person_counts_once() -> None:
    assert not ask_reviews(review("ben"), review("BEN"), required=2).passed


def test_who_approved_an_earlier_state_and_who_is_against_is_said() -> None:
    assert "(ben approved an earlier state)" in ask_reviews(review("ben", commit=OLD)).reason
    assert "cy asked for changes in pull request #7" in ask_reviews(review("cy", "CHANGES_REQUESTED")).reason


def test_a_commit_nobody_proposed() -> None:
    answer = reviewed([], SHA, 1, link="https://commit")
    assert answer.reason == "no pull request brought 1f3c2ab: open one for it, and ask for a review"
    assert answer.link == "https://commit"


def test_which_pull_request_brought_a_commit() -> None:
    later = MERGED + timedelta(days=1)
    made = pull(number=1, merged_at=later)
    first = pull(number=3, merge_commit=OLD, head=SHA)
    second = pull(number=2, merge_commit=OLD, head=SHA, merged_at=later)
    opened = pull(number=5, merge_commit="", merged_at=None, head=SHA)
    moved_on = pull(number=6, merge_commit="", merged_at=None)
    around = pull(number=4, merge_commit=OLD)
    every = [moved_on, opened, second, first, around, made]
    for expected in (made, first, second, opened):
        assert brought_by(every, SHA) == expected
        every.remove(expected)
    assert brought_by(every, SHA) is None


def test_a_commit_inside_of_a_pull_request_was_not_reviewed() -> None:
    answer = reviewed([pull(review("ben"), merge_commit=OLD)], SHA, 1)
    assert state_of(answer) == "fail"
    assert answer.reason == (
        "1f3c2ab is inside pull request #7, which was reviewed as a whole: promote ccccccc, which its merge made"
    )


REVIEWS = st.builds(
    ReviewFact,
    reviewer=st.sampled_from(["ada", "ben", "cy", "dee", ""]),
    state=st.sampled_from(["APPROVED", "CHANGES_REQUESTED", "DISMISSED", "COMMENTED", "PENDING"]),
    commit=st.sampled_from([HEAD, OLD]),
    may_write=st.booleans(),
)


@given(st.lists(REVIEWS, max_size=12), st.integers(1, 3))
def test_a_pass_rests_on_so_many_people_who_stand_by_the_head(
    reviews: list[ReviewFact], required: int
) -> None:
    if ask_reviews(*reviews, required=required).passed:
        people = {
            one.reviewer
            for one in reviews
            if one.state == "APPROVED" and one.commit == HEAD and one.may_write
        }
        assert len(people - {"ada", ""}) >= required


@given(st.lists(REVIEWS, max_size=8))
def test_another_approval_never_closes_the_gate(reviews: list[ReviewFact]) -> None:
    if ask_reviews(*reviews).passed:
        assert ask_reviews(*reviews, review("eve")).passed


# -- protection -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("pull_requests", "changes by pull request only"),
        ("no_force_push", "no rewriting of its history"),
        ("no_deletion", "no deletion"),
    ],
)
def test_what_a_branch_lacks_is_named(missing: str, said: str) -> None:
    values: dict[str, Any] = {"pull_requests": True, "no_force_push": True, "no_deletion": True}
    assert protected(ProtectionFact(branch="main", **values)).passed
    answer = protected(ProtectionFact(branch="main", **(values | {missing: False})))
    assert state_of(answer) == "fail"
    assert answer.reason == f"GitHub does not enforce on main: {said}: protect the branch there"


@pytest.mark.parametrize("waiting", [True, False])
def test_a_gate_nobody_could_ask_is_closed(waiting: bool) -> None:
    answer = unreadable("checks", "GitHub does not answer", waiting=waiting)
    assert not answer.passed
    assert answer.waiting is waiting
    assert answer.reason == "it cannot be asked: GitHub does not answer"
