"""The form people answer in, and what becomes of an answer: of a plan, or of a request to relax a rule."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from prefect import get_client, runtime
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field, SecretStr, ValidationError, create_model

from flows.approvals.people import approver_facts
from flows.domain.approvals.quorum import judge
from flows.domain.approvals.values import Answer, AnswerVerdict, ApprovalQuestion, Refusal
from flows.domain.words.text import one_line
from tasks.kernel.clock import utc_now
from tasks.kernel.redact import process_redactor
from tasks.ledger.errors import CodeUsed
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from tasks.ledger.records import ApprovalRecord

    Add = Callable[..., object]

# The form's field with the hash of what it shows.
PLAN = "plan"
# How long a worker may take to start a run again.
_LONGEST_DELAY = timedelta(minutes=15)


class _Form(RunInput, extra="ignore"):
    """A form whose ticks may be those of an older one that is still open: it is told what became of the plan."""


def answer_form(
    people: Sequence[str],
    description: str,
    decision: str,
    checklist: tuple[str, ...] = (),
    *,
    plan_hash: str,
) -> type[RunInput]:
    """Build the resume form: only the named people can be chosen, and each item can be ticked.

    Args:
        description: Markdown above the fields; what `plan_hash` is the hash of.
    """
    names = tuple(people) or ("nobody",)
    fields: dict[str, Any] = {
        "approver": (Literal[names], Field(title="Approver", description="Who you are")),
        "decision": (Literal["approve", "reject"], Field(title="Decision", description=decision)),
        "code": (
            SecretStr,
            Field(title="One-time code", description="The six digits that your authenticator app shows now"),
        ),
        "reason": (str, Field(default="", title="Reason", description="Needed for a rejection")),
    }
    for name, item in _items(checklist):
        fields[name] = (
            bool,
            Field(default=False, title=one_line(item), description="Needed for an approval"),
        )
    told = "The hash of the plan above: your answer counts only for that plan. Do not change it"
    fields[PLAN] = (str, Field(default=plan_hash, title="Plan", description=told))
    form = create_model("Approval", __base__=_Form, **fields)
    return form.with_initial_data(description=description)


def _items(checklist: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(f"item_{number}", item) for number, item in enumerate(checklist, 1)]


def ask(
    form: type[RunInput], *, about: str, number: int, seconds: int, checklist: tuple[str, ...] = ()
) -> tuple[Answer, datetime]:
    """Suspend until somebody answers.

    Args:
        about: The promotion or request in the ledger that it is about: a run that is started again after its end has
            another one, and what was answered to the one before is no answer to that.
        number: Which answer it is, counted from 1; the run is started again from the top for each.

    Returns:
        The answer as untrusted text, and when it was given.
    """
    key = f"answer-{about}-{number}"
    if _prepared(key):
        with suppress(ValidationError):
            # The key makes the server hand out the answer once the run is started again, instead of asking again.
            suspend_flow_run(wait_for_input=form, timeout=seconds, key=key)
    fields, given_at = _given(key)
    answer = Answer(
        approver=_text(fields, "approver"),
        decision=_text(fields, "decision"),
        code=SecretStr(_text(fields, "code")),
        reason=_text(fields, "reason"),
        unticked=tuple(item for name, item in _items(checklist) if fields.get(name) is not True),
        plan_hash=_text(fields, PLAN),
    )
    return answer, given_at


def _prepared(key: str) -> bool:
    """Make ready to ask; return False where the answer is there.

    A retry from Prefect's first UI has the server forget that the run was suspended, but keep the form, which it then
    does not store again.
    """
    run = UUID(str(runtime.flow_run.id))
    with get_client(sync_client=True) as client:
        kept = {one.key for one in client.filter_flow_run_input(run, f"suspended-{key}-", 5, set())}
        if f"suspended-{key}-response" in kept:
            return False
        for one in kept:
            client.delete_flow_run_input(run, one)
    return True


def _given(key: str) -> tuple[Mapping[str, object], datetime]:
    """Return what the server took as the answer, and when: a code is judged by then, however busy the worker was.

    It is not read through the form, which is that of the present plan, and would put its hash where none was given.

    An answer older than a quarter of an hour is judged by the present time, so that a leaked code cannot be
    kept for a suspended run and used after its time.
    """
    now, name = utc_now(), f"suspended-{key}-response"
    with get_client(sync_client=True) as client:
        found = client.filter_flow_run_input(UUID(str(runtime.flow_run.id)), name, 5, set())
    entry = next((entry for entry in found if entry.key == name), None)
    if entry is None:
        return {}, now
    fields = entry.decoded_value
    at = entry.created
    in_time = at is not None and now - _LONGEST_DELAY <= at <= now
    return fields if isinstance(fields, dict) else {}, at if at is not None and in_time else now


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def record_answer(
    answer: Answer,
    given_at: datetime,
    add: Add,
    question: ApprovalQuestion,
    earlier: Sequence[ApprovalRecord],
) -> None:
    """Judge an answer and write it down, counted or refused."""
    verdict = judge(
        answer,
        question,
        earlier=earlier,
        approver=approver_facts(answer.approver),
        now=given_at,
    )
    try:
        write_down(add, verdict)
    except CodeUsed:
        # Used for something else: only the ledger knows that.
        refusal = verdict.refusal or Refusal.USED_CODE.value
        verdict = verdict.model_copy(update={"counted": False, "refusal": refusal, "code_step": None})
        write_down(add, verdict)


def write_down(add: Add, verdict: AnswerVerdict) -> None:
    """Write a judged answer into the ledger and the log.

    Raises:
        CodeUsed: Its one-time code was used for something else.
    """
    said = verdict.model_dump() | {"reason": process_redactor().text(verdict.reason)}
    add(**said, now=utc_now())
    if verdict.counted:
        log().info("%s: %s", verdict.approver, verdict.decision)
    else:
        log().warning("the answer of %s does not count: %s", verdict.approver or "nobody", verdict.refusal)
