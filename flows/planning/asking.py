"""Asking people: the run suspends, the form shows the plan, the answer is judged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import UUID

from prefect import get_client, runtime
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field, SecretStr, ValidationError, create_model

from blocks.values.lifecycle import Status
from flows.domain.approval_form import form_description
from flows.domain.approval_values import Answer, ApprovalPolicy, QuorumState, Refusal
from flows.domain.approvals import deadline, judge, person_key, policy_of, quorum
from flows.domain.review_approvals import review_number
from flows.domain.text import one_line
from flows.outcome import tell_waiting
from flows.planning.people import approver_facts
from flows.planning.reviewing import Reviews, record_reviews, standing_answers, write_down
from flows.showing.show import show
from tasks.ledger.errors import CodeUsed
from tasks.run import Run, utc_now
from tasks.step import log

if TYPE_CHECKING:
    from blocks.values.plans import Plan
    from tasks.ledger.records import ApprovalRecord

# How long a worker may take to start a run again.
_LONGEST_DELAY = timedelta(minutes=15)


def ask_until_quorum(
    run: Run, plan: Plan, *, authors: frozenset[str], requester: str, reviews: Reviews | None = None
) -> Status:
    """Ask for approvals until the policy is met, someone says no, or the time is up.

    The run suspends for each answer: its process ends, and Prefect starts the flow from the top when
    somebody answers. What was answered before stands in the ledger, bound to the plan's hash, so a plan that
    changed meanwhile is asked about anew.

    Args:
        run: The promotion.
        plan: What people are asked to approve.
        authors: The identities of the authors of the commits that come in.
        requester: Who asked for the promotion; empty when nobody said.
        reviews: Where reviews that may answer stand; None where none does.

    Returns:
        `APPROVED`, `REJECTED` or `EXPIRED`.
    """
    if run.policy.approvals is None:
        return Status.APPROVED
    # An override or a restore asks for more than the environment does otherwise; the plan says how many.
    policy = policy_of(run.policy.approvals)
    policy = policy.model_copy(update={"required": max(policy.required, plan.approvals_required)})
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
        form = _form(plan, state, _last_refusal(records, plan), checklist, with_reviews=reviews is not None)
        answer, given_at = _ask(form, state, checklist, number=number, seconds=left)
        review = review_number(answer.code)
        if review is None:
            _record(run, plan, policy, answer, given_at, standing, authors=authors, requester=requester)
        else:
            record_reviews(run, plan, policy, answer, review, reviews, authors=authors, requester=requester)


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


def _last_refusal(records: list[ApprovalRecord], plan: Plan) -> str:
    last = records[-1] if records else None
    return last.refusal if last is not None and last.plan_hash == plan.hash else ""


def _form(
    plan: Plan, state: QuorumState, refusal: str, checklist: tuple[str, ...], *, with_reviews: bool
) -> type[RunInput]:
    """Build the resume form: only the people of the policy can be chosen, and each item can be ticked."""
    names = tuple(plan.approvers) or ("nobody",)
    fields: dict[str, Any] = {
        "approver": (Literal[names], Field(title="Approver", description="Who you are")),
        "decision": (
            Literal["approve", "reject"],
            Field(title="Decision", description="Approve this plan, or reject it"),
        ),
        "code": (
            SecretStr,
            Field(title="One-time code", description="The six digits your authenticator shows now"),
        ),
        "reason": (str, Field(default="", title="Reason", description="Needed for a rejection")),
    }
    for name, item in _items(checklist):
        fields[name] = (
            bool,
            Field(default=False, title=one_line(item), description="Needed for an approval"),
        )
    form = create_model("Approval", __base__=RunInput, **fields)
    return form.with_initial_data(
        description=form_description(plan, state, refusal, with_reviews=with_reviews)
    )


def _items(checklist: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the form's field for each item of the checklist."""
    return [(f"item_{number}", item) for number, item in enumerate(checklist, 1)]


def _ask(
    form: type[RunInput], state: QuorumState, checklist: tuple[str, ...], *, number: int, seconds: int
) -> tuple[Answer, datetime]:
    """Suspend until somebody answers; return the answer as untrusted text, and when it was given."""
    log().info("waiting for an approval: %s of %s are in", state.have, state.need)
    try:
        # The key makes the server hand out the answer once the run is started again, instead of asking again.
        given = suspend_flow_run(wait_for_input=form, timeout=seconds, key=f"answer-{number}")
    except ValidationError:
        given = None
    fields = cast("dict[str, object]", given.model_dump()) if given is not None else {}
    code = fields.get("code")
    answer = Answer(
        approver=str(fields.get("approver", "")),
        decision=str(fields.get("decision", "")),
        code=code if isinstance(code, SecretStr) else SecretStr(""),
        reason=str(fields.get("reason", "")),
        unticked=tuple(item for name, item in _items(checklist) if fields.get(name) is not True),
    )
    return answer, _answered_at(f"answer-{number}")


def _answered_at(key: str) -> datetime:
    """Return when the server took an answer: a code is judged by then, however busy the worker was.

    An answer older than a quarter of an hour is judged by the present time, so that a leaked code cannot be
    kept for a suspended run and used after its time.
    """
    now = utc_now()
    with get_client(sync_client=True) as client:
        found = client.filter_flow_run_input(
            UUID(str(runtime.flow_run.id)), f"suspended-{key}-response", 5, set()
        )
    given = [entry.created for entry in found if entry.created is not None]
    return given[0] if given and now - _LONGEST_DELAY <= given[0] <= now else now


def _used_steps(earlier: list[ApprovalRecord], approver: str) -> list[int]:
    """Return the time steps of the codes one person used up in this promotion."""
    return [
        record.code_step
        for record in earlier
        if record.code_step is not None and person_key(record.approver) == person_key(approver)
    ]


def _record(
    run: Run,
    plan: Plan,
    policy: ApprovalPolicy,
    answer: Answer,
    given_at: datetime,
    earlier: list[ApprovalRecord],
    *,
    authors: frozenset[str],
    requester: str,
) -> None:
    """Judge an answer and write it down, counted or refused."""
    verdict = judge(
        answer,
        policy=policy,
        plan_hash=plan.hash,
        earlier=earlier,
        approver=approver_facts(answer.approver),
        author_identities=authors,
        requester=requester,
        used_steps=_used_steps(earlier, answer.approver),
        now=given_at,
    )
    try:
        write_down(run, plan, verdict)
    except CodeUsed:
        # Used for another promotion: only the ledger knows those.
        refused = {"counted": False, "refusal": Refusal.USED_CODE.value, "code_step": None}
        write_down(run, plan, verdict.model_copy(update=refused))
