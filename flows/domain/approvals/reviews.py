"""Reviews on GitHub as approvals: which of them answer a plan, for whom, and whether they count.

A review answers a plan when its text holds the plan's mark on a line of its own. So it is bound to what was shown, as
a one-time code typed into the form is, and a review of the change alone approves no promotion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import SecretStr

from blocks.values.base import Value
from blocks.values.github import PullRequestFact, ReviewFact
from flows.domain.approvals.quorum import person_key, person_refusal
from flows.domain.approvals.values import (
    APPROVE,
    REJECT,
    AnswerVerdict,
    ApprovalQuestion,
    ApprovalRecordLike,
    ApproverFacts,
    Decision,
    Refusal,
)
from flows.domain.gates.github import latest_reviews
from flows.domain.words.text import one_line

# 128 bits: nobody finds a second plan with the same ones.
_DIGITS = 32
_CODE = re.compile(r"review:([0-9]{1,19})")
_MARK = re.compile(
    rf"^[ \t]*sluice[ \t]+([a-z][a-z0-9-]{{0,39}})[ \t]+([0-9a-f]{{{_DIGITS}}})[ \t]*\r?$", re.MULTILINE
)
_DECISIONS: dict[str, Decision] = {"APPROVED": APPROVE, "CHANGES_REQUESTED": REJECT}


Given = TypeVar("Given", bound=ApprovalRecordLike)


class Mark(Value):
    """What a review's text names.

    Attributes:
        plan: The first digits of the plan's hash.
    """

    environment: str
    plan: str

    def fits(self, environment: str, plan_hash: str) -> bool:
        """Say whether it names this plan."""
        return (
            bool(plan_hash) and self.environment == environment and self.plan == plan_hash.lower()[:_DIGITS]
        )


def mark_line(environment: str, plan_hash: str) -> str:
    """Return the line a review must hold to answer a plan."""
    return f"sluice {environment} {plan_hash[:_DIGITS]}"


def marks_in(body: str) -> tuple[Mark, ...]:
    """Return the plans a review's text names, in its order."""
    return tuple(Mark(environment=name, plan=digits) for name, digits in _MARK.findall(body))


def review_code(number: int) -> str:
    """Return what the form's code field is given for a review."""
    return f"review:{number}"


def review_number(code: SecretStr) -> int | None:
    """Return the review that an answer names in place of a one-time code, None where it names none."""
    found = _CODE.fullmatch(code.get_secret_value().strip())
    return int(found[1]) if found else None


def answering(
    pull: PullRequestFact, environment: str, plan_hash: str, *, since: datetime
) -> tuple[ReviewFact, ...]:
    """Return the reviews that answer a plan: the last decision of each reviewer who may write, on the last commit.

    One from before the promotion was started answered another promotion with the same plan, as a one-time code does.
    """
    return tuple(
        review
        for review in latest_reviews(pull)
        if review.state in _DECISIONS
        and review.submitted_at is not None
        and review.submitted_at >= since
        and review.commit == pull.head
        and any(mark.fits(environment, plan_hash) for mark in marks_in(review.body))
    )


def approver_of(review: ReviewFact, approvers: Iterable[ApproverFacts]) -> ApproverFacts | None:
    """Return the approver whose review it is; None where no approver, or more than one, has the login."""
    own = [one for one in approvers if one.github_login and same_login(one.github_login, review.reviewer)]
    return own[0] if len(own) == 1 else None


def same_login(one: str, other: str) -> bool:
    """Say whether two logins are one person's."""
    return person_key(one) == person_key(other)


def judge_review(
    review: ReviewFact,
    approver: ApproverFacts,
    question: ApprovalQuestion,
    *,
    earlier: Sequence[ApprovalRecordLike],
    now: datetime,
) -> AnswerVerdict:
    """Judge a review that answers a plan. The reviewer's login at GitHub takes the one-time code's place."""
    decision = _DECISIONS[review.state]
    refusal = Refusal.NONE
    if not question.policy.reviews:
        refusal = Refusal.NO_REVIEWS
    elif not same_login(approver.github_login, review.reviewer):
        refusal = Refusal.UNKNOWN_PERSON
    elif review.submitted_at is None or review.submitted_at <= now - question.policy.expires_after:
        refusal = Refusal.OLD_REVIEW
    refusal = refusal or person_refusal(approver, decision, question, earlier, now)
    return AnswerVerdict(
        counted=refusal is Refusal.NONE,
        plan_hash=question.plan_hash,
        approver=approver.name,
        decision=decision,
        refusal=refusal.value,
        reason=reason_of(review),
    )


def reason_of(review: ReviewFact) -> str:
    """Return what the ledger keeps as a review's reason: where it stands."""
    return f"review {one_line(review.link, 500)}"


def by_review(record: ApprovalRecordLike) -> bool:
    """Say whether an answer that counted was given by a review: only those need no one-time code."""
    return record.counted and record.code_step is None


def still_given(records: Sequence[Given], standing: Iterable[ReviewFact]) -> list[Given]:
    """Leave out the yes of reviews that were dismissed or changed since; a no stays.

    Args:
        standing: The reviews that answer the plan now; none where GitHub could not be asked.
    """
    reasons = {reason_of(review) for review in standing if review.state == "APPROVED"}
    return [
        record
        for record in records
        if not by_review(record) or record.decision == REJECT or record.reason in reasons
    ]


def not_judged(
    reviews: Iterable[ReviewFact], records: Sequence[ApprovalRecordLike], plan_hash: str
) -> tuple[ReviewFact, ...]:
    """Return the reviews that no answer in the ledger is about."""
    known = {record.reason for record in records if record.plan_hash == plan_hash}
    return tuple(review for review in reviews if reason_of(review) not in known)
