"""Asking people whether a rule may be relaxed: the run suspends, as a promotion's does for its approvals."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from flows.approvals.answers import answer_form, ask, record_answer
from flows.core.outcome import run_link
from flows.domain.approvals.quorum import deadline, quorum
from flows.domain.approvals.values import ApprovalQuestion
from flows.domain.rules.relaxation import policy_of_relaxing, request_hash
from flows.domain.rules.view import relax_form, waiting_text
from flows.rules.messages import tell_of_rules
from flows.runs.first_start import flow_run_key
from tasks.kernel.clock import utc_now
from tasks.steps.step import log

if TYPE_CHECKING:
    from flows.core.session import Session
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
            text = waiting_text(row.pipeline, row, run_link(flow_run_key()))
            tell_of_rules(session, text, f"relaxation/{row.id}/asked/{hashed}")
            row = session.ledger.relaxations.note(row.id, waiting)
        refused = records[-1].refusal if records else ""
        description = relax_form(
            row, state, row.repository, expires_after=policy.expires_after, last_refusal=refused
        )
        what = "Let the rule be relaxed, or not"
        form = answer_form(policy.approvers, description, what, plan_hash=hashed)
        log().info("waiting for an answer: %s of %s said yes", state.have, state.need)
        given = ask(form, about=f"relaxation-{row.id}", number=len(records) + 1, seconds=left)
        add = partial(session.ledger.approvals.add, relaxation_id=row.id)
        record_answer(*given, add, ApprovalQuestion(policy=policy, plan_hash=hashed), records)


def _named(names: tuple[str, ...], records: list[ApprovalRecord]) -> str:
    reasons = {one.approver: one.reason for one in records if one.counted and one.decision == "reject"}
    return "; ".join(f"{name}: {reasons.get(name, '')}" for name in names)
