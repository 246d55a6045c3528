"""Asking people: the run suspends, the form shows the plan, the answer is judged."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal, cast

from prefect import runtime
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field, SecretStr, ValidationError, create_model

from blocks.values.lifecycle import Status
from flows.domain.approvals import Answer, QuorumState, form_description, judge, quorum
from tasks.adapters.redact import process_redactor
from tasks.approvers import approver_facts
from tasks.ledger.errors import CodeUsed
from tasks.notify import notify_waiting
from tasks.run import Run, utc_now
from tasks.step import log

if TYPE_CHECKING:
    from datetime import datetime

    from blocks.values.plans import Plan


def ask_until_quorum(run: Run, plan: Plan, *, authors: frozenset[str], requester: str) -> Status:
    """Ask for approvals until the policy is met, someone says no, or the time is up.

    The run suspends for each answer: its process ends, and Prefect starts the flow from the top when
    somebody answers. What was answered before stands in the ledger, bound to the plan's hash, so a plan that
    changed meanwhile is asked about anew.

    Args:
        run: The promotion.
        plan: What people are asked to approve.
        authors: The identities of the authors of the commits that come in.
        requester: Who asked for the promotion; empty when nobody said.

    Returns:
        `APPROVED`, `REJECTED` or `EXPIRED`.
    """
    policy = run.policy.approvals
    if policy is None:
        return Status.APPROVED
    while True:
        records = run.ledger.approvals.of(run.promotion_id)
        state = quorum(policy, plan.hash, records)
        if state.rejected:
            return Status.REJECTED
        if state.approved:
            return Status.APPROVED
        deadline = _open_for_answers(run, plan)
        left = (deadline - utc_now()).total_seconds()
        if left <= 0:
            return Status.EXPIRED
        refusal = records[-1].refusal if records and records[-1].plan_hash == plan.hash else ""
        answer, answered_at = _ask(plan, state, refusal, number=len(records) + 1, seconds=int(left) + 1)
        _record(run, plan, answer, answered_at, authors=authors, requester=requester)


def _open_for_answers(run: Run, plan: Plan) -> datetime:
    """Move the promotion to `WAITING` once for this plan, and tell the channels; return the deadline."""
    row = run.ledger.promotions.get(run.promotion_id)
    if row is not None and row.status is Status.WAITING and row.deadline is not None:
        return row.deadline
    policy = run.policy.approvals
    if policy is None:
        raise RuntimeError("nothing to wait for: the policy asks for no approvals")
    deadline = utc_now() + timedelta(seconds=policy.expires)
    run.ledger.promotions.move(run.promotion_id, Status.WAITING, now=utc_now(), deadline=deadline)
    notify_waiting(run, plan)
    return deadline


def _form(plan: Plan, state: QuorumState, refusal: str) -> type[RunInput]:
    """Build the resume form: only the people of the policy can be chosen."""
    names = tuple(plan.approvers) or ("nobody",)
    form = create_model(
        "Approval",
        __base__=RunInput,
        approver=(Literal[names], Field(title="Approver", description="Who you are")),
        decision=(
            Literal["approve", "reject"],
            Field(title="Decision", description="Approve this plan, or reject it"),
        ),
        code=(
            SecretStr,
            Field(title="One-time code", description="The six digits your authenticator shows now"),
        ),
        reason=(str, Field(default="", title="Reason", description="Needed for a rejection")),
    )
    return form.with_initial_data(description=form_description(plan, state, refusal))


def _ask(
    plan: Plan, state: QuorumState, refusal: str, *, number: int, seconds: int
) -> tuple[Answer, datetime]:
    """Suspend until somebody answers; return the answer as untrusted text, and when it was read."""
    attempt = runtime.flow_run.run_count or 1
    key = f"answer-{number}"
    log().info("waiting for approval %s of %s (run attempt %s)", state.have + 1, state.need, attempt)
    try:
        given = suspend_flow_run(wait_for_input=_form(plan, state, refusal), timeout=seconds, key=key)
    except ValidationError:
        return Answer(approver="", decision="", code="", reason=""), utc_now()
    fields = cast("dict[str, object]", given.model_dump()) if given is not None else {}
    code = fields.get("code")
    return (
        Answer(
            approver=str(fields.get("approver", "")),
            decision=str(fields.get("decision", "")),
            code=code.get_secret_value() if isinstance(code, SecretStr) else "",
            reason=str(fields.get("reason", "")),
        ),
        utc_now(),
    )


def _record(
    run: Run,
    plan: Plan,
    answer: Answer,
    answered_at: datetime,
    *,
    authors: frozenset[str],
    requester: str,
) -> None:
    """Judge an answer and write it down, counted or refused."""
    policy = run.policy.approvals
    if policy is None:
        return
    earlier = run.ledger.approvals.of(run.promotion_id)
    verdict = judge(
        answer,
        policy=policy,
        plan_hash=plan.hash,
        earlier=earlier,
        approver=approver_facts(answer.approver),
        author_identities=authors,
        requester=requester,
        used_steps=run.ledger.approvals.used_steps(answer.approver),
        now=answered_at,
    )
    refusal = verdict.refusal
    reason = process_redactor().text(answer.reason)[:500]
    entry = {
        "promotion_id": run.promotion_id,
        "plan_hash": plan.hash,
        "approver": answer.approver[:80],
        "decision": answer.decision if answer.decision in {"approve", "reject"} else "reject",
        "reason": reason,
        "now": answered_at,
    }
    try:
        run.ledger.approvals.add(
            **entry, counted=verdict.counted, refusal=refusal, code_step=verdict.code_step
        )
    except CodeUsed:
        refusal = "this code was used already; wait for the next one"
        run.ledger.approvals.add(**entry, counted=False, refusal=refusal, code_step=None)
    if refusal:
        log().warning("the answer of %s does not count: %s", answer.approver[:80] or "nobody", refusal)
    else:
        log().info("%s: %s", answer.approver, answer.decision)
