"""Telling promotions that wait for approvals of reviews on GitHub that answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.approvals.people import approver_facts
from flows.approvals.reviews import Reviews
from flows.core.session import repository_facts
from flows.domain.approvals.reviews import approver_of, not_judged, review_code
from flows.domain.approvals.values import policy_of
from flows.domain.promotion.asked import belongs
from tasks.kernel.errors import SluiceError
from tasks.steps.flow_runs import answer_flow_run
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks.pipeline import Policy
    from blocks.values.github import ReviewFact
    from blocks.values.plans import Plan
    from flows.core.session import Session
    from tasks.ledger.records import PromotionRecord


def tell_of_reviews(session: Session, policy: Policy) -> tuple[str, ...]:
    """Have the promotions that wait in an environment read the reviews that answer their plans.

    Returns:
        One line for each that was told. What stands in the way is a line in the log: the next look tries again.
    """
    if not policy_of(policy.approvals).reviews or not session.repository.github:
        return ()
    here = repository_facts(session.repository)
    rows = session.ledger.promotions.open_in(policy.pipeline, policy.name)
    lines = []
    for row in (row for row in rows if belongs(row.asked, here)):
        if row.status is Status.WAITING and row.plan is not None and row.plan.going_back is None:
            try:
                lines += _told(session, row, row.plan)
            except SluiceError as error:
                log().warning("the reviews for promotion %s were not read: %s", row.id, error)
    return tuple(lines)


def _told(session: Session, row: PromotionRecord, plan: Plan) -> list[str]:
    release = session.ledger.releases.get(plan.release_id)
    if release is None or row.flow_run_id is None:
        return []
    found = Reviews(session.repository.github, release.commit.sha, row.created_at).answering(plan)
    fresh = not_judged(found, session.ledger.approvals.of(row.id), plan.hash)
    named = _first_of_an_approver(fresh, plan)
    if named is None:
        return []
    review, approver = named
    # What the answer says decides nothing: the promotion reads the review itself, and all others with it.
    answer = {"approver": approver, "decision": "approve", "code": review_code(review.number)}
    refusal = answer_flow_run(row.flow_run_id, answer)
    if refusal:
        log().warning("promotion %s did not read review %s: %s", row.id, review.number, refusal)
        return []
    return [f"promotion {row.id} read review {review.number}"]


def _first_of_an_approver(reviews: Sequence[ReviewFact], plan: Plan) -> tuple[ReviewFact, str] | None:
    people = [person for person in map(approver_facts, plan.approvers) if person is not None]
    for review in reviews:
        person = approver_of(review, people)
        if person is not None:
            return review, person.name
        log().info("review %s is by somebody who may not approve", review.number)
    return None
