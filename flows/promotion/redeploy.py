"""Brings the head of an environment's branch in, or verifies what runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.values.lifecycle import Kind
from flows.domain.gates.gates import refusal
from flows.gates.ask import ask_gates, known_release, resolve_request, unbuilt_release
from flows.gates.entry import ask_entry
from flows.promotion.flow import promote_body
from flows.runs.conduct import Request, conduct
from tasks.kernel.errors import RefusedError
from tasks.steps.step import log

if TYPE_CHECKING:
    from flows.core.session import Session
    from tasks.ledger.records import PromotionRecord


@flow(
    name="redeploy",
    flow_run_name="redeploy → {environment}",
    task_runner=ThreadPoolTaskRunner(max_workers=8),  # type: ignore[arg-type]
    persist_result=False,
)
def redeploy(environment: str, source: str = "default", requested_by: str = "schedule") -> State[Any]:
    """Promote the head of the environment's branch; if it may not enter, repair and smoke-test what runs.

    Args:
        environment: The environment's name.
        source: The `git-repository` block of the application.
        requested_by: Who asks for it.

    Returns:
        A completed state, or a failed one with one line.
    """
    parameters = dict(locals())  # all of them, by name
    request = Request(Kind.REDEPLOY, environment, "", source, requested_by, parameters=parameters)
    return conduct(request, _redeploy_body)


def _redeploy_body(session: Session, request: Request, row: PromotionRecord) -> PromotionRecord:
    if row.release_id is not None:
        return promote_body(session, request, row)
    ref = _head_or_running(session, request)
    return promote_body(session, replace(request, ref=ref), row)


def _head_or_running(session: Session, request: Request) -> str:
    """Return the branch's head where the gates let it in, else the release that runs."""
    policy = session.policy(request.environment)
    running = session.ledger.promotions.running(policy.pipeline, policy.name)
    resolved = resolve_request(session, policy, "")
    release = known_release(session, policy, resolved) or unbuilt_release(policy, resolved)
    answers = (
        *ask_gates(session, policy, resolved, release),
        *ask_entry(session, policy, resolved, release.id),
    )
    closed = refusal(answers, policy.name)
    if closed is None:
        return ""
    if running is None or running.release_id is None:
        raise RefusedError(closed.what, "promote a release first; there is nothing to redeploy")
    log().info("the head may not enter yet (%s); redeploying what runs", closed.what)
    return running.release_id
