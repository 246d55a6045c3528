"""Asking people whether a rule may be relaxed: the run suspends, as a promotion's does for its approvals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flows.approvals.answers import answer_form, ask, record_answer
from flows.core.outcome import run_link
from flows.domain.approvals.quorum import deadline, quorum
from flows.domain.rules.relaxation import policy_of_relaxing, request_hash
from flows.domain.rules.view import relax_form, waiting_text
from flows.runs.first_start import flow_run_key
from tasks.kernel.clock import utc_now
from tasks.kernel.redact import process_redactor
from tasks.steps.notify import tell
from tasks.steps.step import log

if TYPE_CHECKING:
    from datetime import datetime

    from flows.core.session import Session
    from flows.domain.approvals.values import Answer, AnswerVerdict, ApprovalPolicy
    from tasks.ledger.records import ApprovalRecord
    from tasks.ledger.relaxation_records import RelaxationRecord


class RelaxationAnswer(NamedTuple):
    """What people said."""

    approved: bool
    by: str
    message: str


def ask_to_relax(session: Session, row: RelaxationRecord) -> RelaxationAnswer:
    """Ask until enough people said yes, someone says no, or the time is up."""
    policy = policy_of_relaxing(session.pipeline.protect)
    hashed = request_hash(
        number=row.id,
        repository=row.repository,
        branch=row.branch,
        rule=row.rule,
        seconds=row.seconds,
        reason=row.reason,
        requested_by=row.requested_by,
        policy=policy,
    )
    waiting = f"waits for {policy.required} of {', '.join(policy.approvers)}"
    while True:
        records = session.ledger.approvals.of_relaxation(row.id)
        state = quorum(policy, hashed, records, now=utc_now())
        if state.rejected:
            return RelaxationAnswer(
                approved=False, by="", message=f"no, said {_named(state.rejected_by, records)}"
            )
        if state.approved:
            return RelaxationAnswer(approved=True, by=", ".join(state.by), message="")
        left = int((deadline(row.asked_at, policy) - utc_now()).total_seconds())
        if left <= 0:
            line = f"{state.have} of {state.need} said yes in time — ask again"
            return RelaxationAnswer(approved=False, by="", message=line)
        if row.message != waiting:
            # A run is started again from the top for each answer; the channels are told once who has to answer.
            _tell(session, row, hashed)
            row = session.ledger.relaxations.note(row.id, waiting)
        refused = records[-1].refusal if records else ""
        description = relax_form(
            row, state, row.repository, expires_after=policy.expires_after, last_refusal=refused
        )
        what = "Let the rule be relaxed, or not"
        form = answer_form(policy.approvers, description, what, plan_hash=hashed)
        log().info("waiting for an answer: %s of %s said yes", state.have, state.need)
        given = ask(form, about=f"relaxation-{row.id}", number=len(records) + 1, seconds=left)
        _record(session, row, policy, hashed, given, records)


def _named(names: tuple[str, ...], records: list[ApprovalRecord]) -> str:
    reasons = {one.approver: one.reason for one in records if one.counted and one.decision == "reject"}
    return "; ".join(f"{name}: {reasons.get(name, '')}" for name in names)


def _record(
    session: Session,
    row: RelaxationRecord,
    policy: ApprovalPolicy,
    hashed: str,
    given: tuple[Answer, datetime],
    earlier: list[ApprovalRecord],
) -> None:

    def add(verdict: AnswerVerdict) -> None:
        session.ledger.approvals.add(
            relaxation_id=row.id,
            plan_hash=verdict.plan_hash,
            approver=verdict.approver,
            decision=verdict.decision,
            counted=verdict.counted,
            refusal=verdict.refusal,
            reason=process_redactor().text(verdict.reason),
            code_step=verdict.code_step,
            now=utc_now(),
        )
        said = verdict.decision if verdict.counted else f"does not count: {verdict.refusal}"
        log().info("the answer of %s: %s", verdict.approver or "nobody", said)

    record_answer(*given, add, policy=policy, plan_hash=hashed, earlier=earlier)


def _tell(session: Session, row: RelaxationRecord, hashed: str) -> None:
    pipeline = session.pipeline.pipeline
    text = process_redactor().text(waiting_text(pipeline, row, run_link(flow_run_key())))
    data: dict[str, object] = {"pipeline": pipeline, "kind": "rules", "message": text}
    tell(session.pipeline.notify, text, data, f"{pipeline}/relaxation/{row.id}/asked/{hashed}")
