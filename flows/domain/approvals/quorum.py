"""The judge of approvals: which answers count, and when there are enough. Fails closed."""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import pyotp
from pydantic import SecretStr

from flows.domain.approvals.values import (
    APPROVE,
    ASIDE,
    REJECT,
    Answer,
    AnswerVerdict,
    ApprovalPolicy,
    ApprovalQuestion,
    ApprovalRecordLike,
    ApproverFacts,
    Decision,
    QuorumState,
    Refusal,
)
from flows.domain.words.text import one_line

WRONG_CODES_ALLOWED = 5
_PERIOD_SECONDS = 30
_WINDOW_STEPS = 1
_CODE = re.compile(r"[0-9]{6}")
_HASH = re.compile(r"[0-9a-f]{64}")
_LONGEST_REASON = 1000
_LONGEST_FIELD = 64
_BETWEEN = re.compile(r"[<>()\[\],;]")
# Of a GitHub Enterprise Server, too.
_NOREPLY = re.compile(r"(?:\d+\+)?([^@+]+)@users\.noreply\.[^@]+")


def person_key(name: str) -> str:
    """Return the form in which names, logins and e-mails are compared."""
    return unicodedata.normalize("NFKC", name[:320]).strip().casefold()


def judge(
    answer: Answer,
    question: ApprovalQuestion,
    *,
    earlier: Sequence[ApprovalRecordLike],
    approver: ApproverFacts | None,
    now: datetime,
) -> AnswerVerdict:
    """Judge one answer. What can be refused without the code is, so that no good code is wasted.

    The code of an answer to another plan is used up: it was shown, and must not be given once more to this one.
    """
    known = approver is not None and person_key(approver.name) == person_key(answer.approver)
    person = approver if known else None
    decision = _decision(answer)
    refusal = (
        _plan_refusal(answer, question.plan_hash)
        or _form_refusal(answer)
        or person_refusal(person, decision, question, earlier, now)
    )
    step: int | None = None
    if person is not None and (not refusal or refusal in ASIDE):
        wrong, step = _check_code(person, answer.code, _used_steps(earlier, person), now)
        refusal = refusal or wrong
    return AnswerVerdict(
        counted=refusal is Refusal.NONE,
        plan_hash=answer.plan_hash if _HASH.fullmatch(answer.plan_hash) else "",
        approver=person.name if person is not None else one_line(answer.approver, _LONGEST_FIELD),
        decision=decision,
        refusal=refusal.value,
        code_step=step,
        reason=one_line(answer.reason, _LONGEST_REASON),
    )


def _used_steps(earlier: Iterable[ApprovalRecordLike], person: ApproverFacts) -> set[int]:
    """Return the time steps of this person's codes that were used up, for any plan."""
    key = person_key(person.name)
    return {
        record.code_step
        for record in earlier
        if record.code_step is not None and person_key(record.approver) == key
    }


def last_refusal(records: Sequence[ApprovalRecordLike], plan_hash: str) -> str:
    """Return why the last answer did not count, where it was to this plan or to none; else nothing."""
    last = records[-1] if records else None
    told = last is not None and (last.plan_hash == plan_hash or last.refusal in ASIDE)
    return last.refusal if last is not None and told else ""


def _decision(answer: Answer) -> Decision:
    return APPROVE if person_key(answer.decision) == APPROVE else REJECT


def _plan_refusal(answer: Answer, plan_hash: str) -> Refusal:
    if not answer.plan_hash.strip():
        return Refusal.NO_PLAN
    return Refusal.NONE if answer.plan_hash == plan_hash else Refusal.OTHER_PLAN


def _form_refusal(answer: Answer) -> Refusal:
    fields = (answer.approver, answer.decision, answer.code.get_secret_value())
    if any(len(text) > _LONGEST_FIELD for text in fields) or len(answer.reason) > _LONGEST_REASON:
        return Refusal.TOO_LONG
    decision = person_key(answer.decision)
    if decision not in {APPROVE, REJECT}:
        return Refusal.NO_DECISION
    if not _CODE.fullmatch(_digits(answer.code)):
        return Refusal.NO_CODE
    if decision == REJECT and not answer.reason.strip():
        return Refusal.NO_REASON
    if decision == APPROVE and answer.unticked:
        return Refusal.NOT_TICKED
    return Refusal.NONE


def person_refusal(
    person: ApproverFacts | None,
    decision: Decision,
    question: ApprovalQuestion,
    earlier: Sequence[ApprovalRecordLike],
    now: datetime,
) -> Refusal:
    """Say why a person may not decide about a plan, however their identity is verified."""
    if person is None:
        return Refusal.UNKNOWN_PERSON
    if person_key(person.name) not in _listed(question.policy):
        return Refusal.NOT_LISTED
    if not person.active:
        return Refusal.INACTIVE
    to_this = [record for record in earlier if record.plan_hash == question.plan_hash]
    since = now - question.policy.expires_after
    return _standing_refusal(person, decision, to_this, since) or _excluded(person, decision, question)


def _standing_refusal(
    person: ApproverFacts, decision: Decision, earlier: Iterable[ApprovalRecordLike], since: datetime
) -> Refusal:
    key = person_key(person.name)
    own = [record for record in earlier if person_key(record.approver) == key]
    if sum(record.refusal == Refusal.WRONG_CODE for record in own) >= WRONG_CODES_ALLOWED:
        return Refusal.CLOSED
    # A yes may still be taken back by a no; nothing follows a no.
    final = {REJECT} if decision == REJECT else {APPROVE, REJECT}
    standing = [record for record in own if record.counted and _stands(record, since)]
    return Refusal.REPEATED if any(record.decision in final for record in standing) else Refusal.NONE


def _stands(record: ApprovalRecordLike, since: datetime) -> bool:
    # A yes expires; a no does not.
    return record.decision != APPROVE or record.created_at > since


def _excluded(person: ApproverFacts, decision: Decision, question: ApprovalQuestion) -> Refusal:
    if decision == REJECT:
        return Refusal.NONE
    own, policy = _own(person), question.policy
    authors, asked_by = _identities(question.authors), _identities(askers(question.requester))
    if policy.exclude_author and (not authors or own & authors):
        return Refusal.IS_AUTHOR if authors else Refusal.AUTHOR_UNKNOWN
    if policy.exclude_requester and (not asked_by or own & asked_by):
        return Refusal.IS_REQUESTER if asked_by else Refusal.REQUESTER_UNKNOWN
    return Refusal.NONE


def askers(requester: str) -> set[str]:
    """Return how those who asked may be called, as people write it: `Ana <ana@example.com>`, `@ana, ben`."""
    return {requester, *(part.strip(" @") for part in _BETWEEN.split(requester))}


def authors_among(people: Iterable[ApproverFacts], author_identities: Collection[str]) -> tuple[str, ...]:
    """Return the names of those who wrote some of what comes in."""
    authors = _identities(author_identities)
    return tuple(person.name for person in people if _own(person) & authors)


def _own(person: ApproverFacts) -> set[str]:
    return _identities({person.name, person.github_login, *person.identities})


def _identities(names: Iterable[str]) -> set[str]:
    keys = {person_key(name) for name in names} - {""}
    # GitHub's private addresses hold the login.
    return keys | {match[1] for key in keys if (match := _NOREPLY.fullmatch(key))}


def _check_code(
    person: ApproverFacts, code: SecretStr, used_steps: Collection[int], now: datetime
) -> tuple[Refusal, int | None]:
    at = int(now.timestamp()) // _PERIOD_SECONDS
    given = _digits(code).encode()
    try:
        totp = pyotp.TOTP(person.totp_secret.get_secret_value())
        window = range(at - _WINDOW_STEPS, at + _WINDOW_STEPS + 1)
        # Every code of the window is compared, so that the time taken says nothing.
        fitting = [step for step in window if hmac.compare_digest(totp.generate_otp(step).encode(), given)]
    except ValueError:
        return Refusal.NO_SECRET, None
    if not fitting:
        return Refusal.WRONG_CODE, None
    # Two steps of one window may have equal codes: one of them used up is enough to refuse.
    if any(step in used_steps for step in fitting):
        return Refusal.USED_CODE, None
    return Refusal.NONE, fitting[0]


def _digits(code: SecretStr) -> str:
    # Authenticators show "123 456", and people type what they see.
    return code.get_secret_value().replace(" ", "")


def _listed(policy: ApprovalPolicy) -> set[str]:
    return {person_key(name) for name in policy.approvers} - {""}


def quorum(
    policy: ApprovalPolicy, plan_hash: str, records: Sequence[ApprovalRecordLike], *, now: datetime
) -> QuorumState:
    """Say how far the approvals for a plan are.

    Returns:
        The state. One counted no of a listed approver outweighs every yes.
    """
    listed = _listed(policy)
    mine = [r for r in records if r.counted and plan_hash and r.plan_hash == plan_hash]
    mine = [r for r in mine if person_key(r.approver) in listed and _stands(r, now - policy.expires_after)]
    yes = {person_key(record.approver): record.approver for record in mine if record.decision == APPROVE}
    no = {person_key(record.approver): record.approver for record in mine if record.decision == REJECT}
    return QuorumState(
        approved=not no and len(yes) >= policy.required,
        rejected=bool(no),
        have=len(yes),
        need=policy.required,
        by=tuple(yes.values()),
        missing=tuple(name for name in policy.approvers if person_key(name) not in yes | no),
        rejected_by=tuple(no.values()),
    )


def deadline(asked_at: datetime, policy: ApprovalPolicy) -> datetime:
    """Return when the approvals must be in."""
    return asked_at + policy.expires_after


def shared_identities(approvers: Sequence[ApproverFacts]) -> tuple[tuple[str, str], ...]:
    """Find approvers that are one person under two names, who could make a quorum alone.

    Returns:
        Pairs of approver names that share an identity or a one-time-code secret.
    """
    marks = [(one, _marks(one)) for one in approvers]
    return tuple(
        (one.name, other.name)
        for index, (one, own) in enumerate(marks)
        for other, theirs in marks[index + 1 :]
        if own & theirs
    )


def _marks(person: ApproverFacts) -> set[tuple[str, str]]:
    secret = person.totp_secret.get_secret_value().rstrip("=").upper()
    return {("identity", name) for name in _own(person)} | {("secret", secret)}
