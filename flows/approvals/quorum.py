"""Asking people: the run suspends, the form shows the plan, the answer is judged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.approvals.answers import answer_form, ask, record_answer
from flows.approvals.people import approver_facts
from flows.approvals.reviews import Reviews, record_reviews, standing_answers
from flows.core.outcome import tell_waiting
from flows.domain.approvals.quorum import askers, authors_among, deadline, last_refusal, quorum
from flows.domain.approvals.reviews import review_number
from flows.domain.approvals.values import ApprovalPolicy, ApprovalQuestion, QuorumState, policy_of
from flows.domain.promotion.approval_form import form_description
from flows.publication.show import show
from tasks.kernel.clock import utc_now
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Collection

    from blocks.values.plans import Plan


def ask_until_quorum(
    run: Run, plan: Plan, *, authors: frozenset[str], requester: str, reviews: Reviews | None = None
) -> Status:
    """Ask for approvals until the policy is met, someone says no, or the time is up.

    The run suspends for each answer: its process ends, and Prefect starts the flow from the top when
    somebody answers. What was answered before stands in the ledger, bound to the plan's hash, so a plan that
    changed meanwhile is asked about anew.
    """
    if run.policy.approvals is None:
        return Status.APPROVED
    # An override or a restore asks for more than the environment does otherwise; the plan says how many.
    policy = policy_of(run.policy.approvals, plan.approvals_required)
    question = ApprovalQuestion(policy=policy, plan_hash=plan.hash, authors=authors, requester=requester)
    # On the way back no gate is asked, and nothing is ticked.
    checklist = run.policy.gates.checklist if plan.going_back is None else ()
    # A question about rows that would be lost is answered where they are named.
    reviews = reviews if policy.reviews and plan.going_back is None else None
    while True:
        records = run.ledger.approvals.of(run.promotion_id)
        standing = standing_answers(records, plan, reviews)
        state = quorum(policy, plan.hash, standing, now=utc_now())
        if state.rejected:
            return Status.REJECTED
        if state.approved:
            return Status.APPROVED
        left = _seconds_left(run, policy)
        if left <= 0:
            return Status.EXPIRED
        _open_for_answers(run, plan, state)
        number = len(records) + 1
        description = form_description(
            plan,
            state,
            last_refusal(records, plan.hash),
            authors=_authors(plan, authors) if policy.exclude_author else (),
            requester=_among(plan, askers(requester)) if policy.exclude_requester else (),
            with_reviews=reviews is not None,
        )
        what = "Approve this plan, or reject it"
        form = answer_form(plan.approvers, description, what, checklist, plan_hash=plan.hash)
        log().info("waiting for approvals: %s of %s are given", state.have, state.need)
        answer, given_at = ask(
            form, about=str(run.promotion_id), number=number, seconds=left, checklist=checklist
        )
        review = review_number(answer.code)
        if review is None:
            record_answer(
                answer,
                given_at,
                partial(run.ledger.approvals.add, promotion_id=run.promotion_id),
                question,
                standing,
            )
        else:
            record_reviews(run, plan, question, answer, review, reviews)


def _authors(plan: Plan, authors: frozenset[str]) -> tuple[str, ...] | None:
    return _among(plan, authors) if authors else None


def _among(plan: Plan, identities: Collection[str]) -> tuple[str, ...]:
    people = map(approver_facts, plan.approvers)
    return authors_among((person for person in people if person is not None), identities)


def _seconds_left(run: Run, policy: ApprovalPolicy) -> int:
    row = run.ledger.promotions.get(run.promotion_id)
    if row is None:
        return 0
    return int((deadline(row.created_at, policy) - utc_now()).total_seconds())


def _open_for_answers(run: Run, plan: Plan, state: QuorumState) -> None:
    """Move the promotion to `WAITING`, and tell the channels once for each plan."""
    row = run.ledger.promotions.get(run.promotion_id)
    if row is None or row.status is Status.WAITING:
        return
    line = f"waiting for {state.need - state.have} of {state.need} approvals"
    row = run.ledger.promotions.move(run.promotion_id, Status.WAITING, now=utc_now(), message=line)
    tell_waiting(run, row, plan, state)
    show(run.showing, run.promotion_id)
