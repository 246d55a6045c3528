"""Reviews on GitHub as answers to a plan: read when somebody says that there is one, judged, written down."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from flows.approvals.answers import write_down
from flows.approvals.people import approver_facts
from flows.core.github import open_github
from flows.domain.approvals.reviews import (
    answering,
    approver_of,
    by_review,
    judge_review,
    not_judged,
    still_given,
)
from flows.domain.approvals.values import REJECT, Answer, AnswerVerdict, Refusal
from flows.domain.gates.github import brought_by
from flows.domain.words.text import one_line
from tasks.github.github_facts import read_reviews
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.steps.step import log

if TYPE_CHECKING:
    from datetime import datetime

    from blocks.values.github import ReviewFact
    from blocks.values.plans import Plan
    from flows.domain.approvals.values import ApprovalQuestion
    from tasks.ledger.records import ApprovalRecord
    from tasks.steps.run import Run

_LONGEST_NAME = 64


@dataclass(frozen=True)
class Reviews:
    """Where the reviews that may answer a promotion's plan stand."""

    github: str
    sha: str
    since: datetime

    def answering(self, plan: Plan) -> tuple[ReviewFact, ...]:
        """Read the reviews that answer a plan now."""
        with closing(open_github(self.github)) as github:
            pull = brought_by(read_reviews(github, sha=self.sha), self.sha)
        if pull is None:
            return ()
        return answering(pull, plan.environment, plan.hash, since=self.since)


def standing_answers(
    records: Sequence[ApprovalRecord], plan: Plan, reviews: Reviews | None
) -> list[ApprovalRecord]:
    """Leave out the yes of reviews that no longer stand; where GitHub cannot be asked, that of all reviews."""
    if not any(by_review(record) and record.plan_hash == plan.hash for record in records):
        return list(records)
    found: tuple[ReviewFact, ...] = ()
    try:
        found = reviews.answering(plan) if reviews is not None else ()
    except SluiceError as error:
        log().warning("reviews do not count for now: %s", error)
    return still_given(records, found)


def record_reviews(
    run: Run,
    plan: Plan,
    question: ApprovalQuestion,
    answer: Answer,
    number: int,
    reviews: Reviews | None,
) -> None:
    """Judge every review that answers the plan and was not judged yet, and write them down.

    The answer only says that there is something to read: who it names decides nothing. It always leaves a line of its
    own or that of its review, by which the next question gets another key.
    """
    refusal = Refusal.NO_REVIEWS if reviews is None or not question.policy.reviews else Refusal.NONE
    found: tuple[ReviewFact, ...] = ()
    if reviews is not None and not refusal:
        try:
            found = reviews.answering(plan)
        except SluiceError as error:
            log().warning("%s", error)
            refusal = Refusal.NOT_READ
    people = [person for person in map(approver_facts, plan.approvers) if person is not None]
    add = partial(run.ledger.approvals.add, promotion_id=run.promotion_id)
    judged: set[int] = set()
    for review in not_judged(found, run.ledger.approvals.of(run.promotion_id), plan.hash):
        person = approver_of(review, people)
        if person is None:
            log().warning(
                "review %s is by somebody who may not approve: %s", review.number, one_line(review.reviewer)
            )
            continue
        verdict = judge_review(
            review,
            person,
            question,
            earlier=still_given(run.ledger.approvals.of(run.promotion_id), found),
            now=utc_now(),
        )
        write_down(add, verdict)
        judged.add(review.number)
    if number not in judged:
        verdict = AnswerVerdict(
            counted=False,
            plan_hash=plan.hash,
            approver=one_line(answer.approver, _LONGEST_NAME),
            decision=REJECT,
            refusal=(refusal or Refusal.NO_REVIEW).value,
            reason=f"review {number}",
        )
        write_down(add, verdict)
