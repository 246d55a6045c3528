"""Which reviews answer a plan, whose they are, and whether they count."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from blocks.values.base import Value
from blocks.values.github import PullRequestFact, ReviewFact
from flows.domain.approvals.quorum import quorum, shared_identities
from flows.domain.approvals.reviews import (
    answering,
    approver_of,
    by_review,
    judge_review,
    mark_line,
    marks_in,
    not_judged,
    reason_of,
    review_code,
    review_number,
    still_given,
)
from flows.domain.approvals.values import (
    AnswerVerdict,
    ApprovalPolicy,
    ApprovalQuestion,
    ApproverFacts,
    Refusal,
)
from tests.flows.domain.samples import HOSTILE, NOW

HASH = "0123456789abcdef" * 4
HEAD = "a" * 40
ASKED = NOW - timedelta(minutes=5)
LINE = mark_line("prod", HASH)
POLICY = ApprovalPolicy(required=2, approvers=("ana", "ben"), reviews=True)


class Record(Value):
    """What the ledger gives back."""

    plan_hash: str = HASH
    approver: str = "ana"
    decision: str = "approve"
    counted: bool = True
    refusal: str = ""
    reason: str = ""
    code_step: int | None = None
    created_at: Any = NOW


def person(name: str = "ana", **changes: Any) -> ApproverFacts:
    values = {"name": name, "totp_secret": SecretStr(f"{name:A<26}".upper()), "github_login": f"{name}-k"}
    return ApproverFacts(**(values | changes))


def review(number: int = 1, **changes: Any) -> ReviewFact:
    values: dict[str, Any] = {
        "reviewer": "ana-k",
        "state": "APPROVED",
        "commit": HEAD,
        "submitted_at": NOW,
        "may_write": True,
        "link": f"https://github.com/acme/shop/pull/7#pullrequestreview-{number}",
        "number": number,
        "body": f"Fine.\n\n{LINE}\n",
    }
    return ReviewFact(**(values | changes))


def pull(*reviews: ReviewFact, **changes: Any) -> PullRequestFact:
    return PullRequestFact(
        **({"number": 7, "author": "dan", "head": HEAD, "base": "main", "reviews": reviews} | changes)
    )


def judged(given_review: ReviewFact | None = None, **changes: Any) -> AnswerVerdict:
    values: dict[str, Any] = {
        "approver": person(),
        "policy": POLICY,
        "plan_hash": HASH,
        "earlier": (),
        "authors": {"dan@example.com", "dan"},
        "requester": "cleo",
        "now": NOW,
    }
    values |= changes
    asked = {name: values.pop(name) for name in ("policy", "plan_hash", "authors", "requester")}
    return judge_review(given_review or review(), values.pop("approver"), ApprovalQuestion(**asked), **values)


def test_the_line_of_a_plan_is_found_in_a_text_and_fits_no_other() -> None:
    (mark,) = marks_in(f"Looks good\r\n  {LINE}  \r\n> thanks")
    assert mark.fits("prod", HASH)
    assert not mark.fits("staging", HASH)
    assert not mark.fits("prod", "f" * 64)
    assert not mark.fits("prod", "")


@pytest.mark.parametrize(
    "body",
    [
        "",
        f"`{LINE}`",
        f"> {LINE}",
        f"please write {LINE}",
        f"{LINE} or not",
        LINE[:-1],
        LINE + "0",
        LINE.upper(),
        f"sluice PROD {HASH[:32]}",
        f"sluice prod\n{HASH[:32]}",
    ],
)
def test_a_quoted_or_broken_line_answers_nothing(body: str) -> None:
    assert marks_in(body) == ()


@given(st.text() | st.just(HOSTILE) | st.text().map(lambda text: f"{LINE}\n{text}\n{LINE}"))
def test_whatever_stands_in_a_review_it_answers_no_plan_it_does_not_name(body: str) -> None:
    assert all(mark.plan in body for mark in marks_in(body))


@given(st.integers(0, 10**18))
def test_the_code_of_a_review_is_read_back(number: int) -> None:
    assert review_number(SecretStr(f" {review_code(number)} ")) == number


@pytest.mark.parametrize(
    "code", ["", "123456", "review:", "review:-1", "review:1x", "Review:1", "review:" + "9" * 20]
)
def test_anything_else_is_no_review(code: str) -> None:
    assert review_number(SecretStr(code)) is None


def test_the_last_decision_of_each_on_the_last_commit_answers() -> None:
    ana = review(1)
    ben = review(2, reviewer="ben-k", state="CHANGES_REQUESTED", body=f"No\n{LINE}")
    assert answering(pull(ana, ben), "prod", HASH, since=ASKED) == (ana, ben)


@pytest.mark.parametrize("at", [None, ASKED - timedelta(seconds=1)])
def test_a_review_from_before_the_promotion_answers_an_earlier_one(at: datetime | None) -> None:
    # Of the same plan: it came in, was rolled back and is started again, or somebody else said no to it.
    before, ben = review(1, submitted_at=at), review(2, reviewer="ben-k")
    assert answering(pull(before, ben), "prod", HASH, since=ASKED) == (ben,)


@pytest.mark.parametrize(
    "reviews",
    [
        (review(body="Fine."),),
        (review(commit="b" * 40),),
        (review(may_write=False),),
        (review(reviewer="dan"),),
        (review(reviewer=""),),
        (review(state="COMMENTED"),),
        (review(1), review(2, state="DISMISSED")),
        (review(1), review(2, state="CHANGES_REQUESTED", body="wait")),
    ],
    ids=[
        "no line",
        "earlier commit",
        "may not write",
        "author",
        "gone",
        "comment",
        "dismissed",
        "taken back",
    ],
)
def test_others_answer_nothing(reviews: tuple[ReviewFact, ...]) -> None:
    assert answering(pull(*reviews), "prod", HASH, since=ASKED) == ()


def test_a_review_is_the_approvers_who_alone_has_its_login() -> None:
    ana, ben = person(), person("ben")
    assert approver_of(review(reviewer="Ana-K"), (ana, ben)) == ana
    assert approver_of(review(reviewer="eve"), (ana, ben)) is None
    assert approver_of(review(), (ana, person("ben", github_login="ANA-K"))) is None
    assert approver_of(review(reviewer=""), (person(github_login=""),)) is None


def test_a_review_that_answers_counts_and_says_where_it_stands() -> None:
    verdict = judged()
    assert (verdict.counted, verdict.approver, verdict.decision, verdict.code_step) == (
        True,
        "ana",
        "approve",
        None,
    )
    assert verdict.reason == "review https://github.com/acme/shop/pull/7#pullrequestreview-1"


def test_asking_for_changes_is_a_no() -> None:
    verdict = judged(review(state="CHANGES_REQUESTED"))
    assert (verdict.counted, verdict.decision) == (True, "reject")


@pytest.mark.parametrize(
    ("refusal", "changes"),
    [
        (Refusal.NO_REVIEWS, {"policy": POLICY.model_copy(update={"reviews": False})}),
        (Refusal.UNKNOWN_PERSON, {"approver": person(github_login="eve")}),
        (Refusal.OLD_REVIEW, {"now": NOW + timedelta(hours=24)}),
        (Refusal.NOT_LISTED, {"approver": person("dan", github_login="ana-k")}),
        (Refusal.INACTIVE, {"approver": person(active=False)}),
        (Refusal.IS_AUTHOR, {"authors": {"1234+ana-k@users.noreply.github.com"}}),
        (Refusal.IS_REQUESTER, {"requester": "ANA-K"}),
        (Refusal.REQUESTER_UNKNOWN, {"requester": ""}),
        (Refusal.AUTHOR_UNKNOWN, {"authors": ()}),
        (Refusal.REPEATED, {"earlier": (Record(),)}),
        (
            Refusal.CLOSED,
            {"earlier": tuple(Record(counted=False, refusal=Refusal.WRONG_CODE) for _ in range(5))},
        ),
    ],
)
def test_what_does_not_count(refusal: Refusal, changes: dict[str, Any]) -> None:
    verdict = judged(**changes)
    assert (verdict.counted, verdict.refusal) == (False, refusal.value)


def test_a_review_that_was_never_submitted_does_not_count() -> None:
    assert judged(review(submitted_at=None)).refusal == Refusal.OLD_REVIEW


def test_an_answer_to_another_plan_is_no_answer_to_this_one() -> None:
    assert judged(earlier=(Record(plan_hash="f" * 64),)).counted


def test_two_reviews_make_a_quorum_of_two() -> None:
    rows = [Record(reason=reason_of(review(1))), Record(approver="ben", reason=reason_of(review(2)))]
    assert quorum(POLICY, HASH, rows, now=NOW).approved


def test_the_yes_of_a_dismissed_review_is_left_out_and_codes_and_a_no_stay() -> None:
    typed = Record(approver="cleo", code_step=5, reason="review x")
    no = Record(approver="ben", decision="reject", reason=reason_of(review(3)))
    yes = Record(reason=reason_of(review(1)))
    assert [by_review(one) for one in (typed, no, yes, Record(counted=False))] == [False, True, True, False]
    assert still_given([typed, no, yes], [review(1)]) == [typed, no, yes]
    assert still_given([typed, no, yes], []) == [typed, no]
    assert still_given([yes], [review(1, state="CHANGES_REQUESTED")]) == []


def test_a_review_is_judged_once_for_a_plan() -> None:
    rows = [Record(counted=False, refusal="x", reason=reason_of(review(1)))]
    assert not_judged([review(1), review(2)], rows, HASH) == (review(2),)
    assert not_judged([review(1)], rows, "f" * 64) == (review(1),)


def test_two_approvers_with_one_login_are_one_person() -> None:
    ana, ben = person(), person("ben", github_login="ana-K")
    assert shared_identities((ana, ben)) == (("ana", "ben"),)
