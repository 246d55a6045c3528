"""Brings a release into an environment: the whole of it, from the commit to the record."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.values.lifecycle import ACTIVE, Kind, Status
from flows.approvals.authors import authors_of
from flows.approvals.quorum import ask_until_quorum
from flows.approvals.reviews import Reviews
from flows.domain.gates.hotfix import policy_for
from flows.domain.promotion.recovery import Action, next_action
from flows.gates.ask import ref_facts, resolve_request
from flows.gates.entry import UndecidedError
from flows.promotion.change import begin_checks, carry_out
from flows.promotion.early_start import started_early
from flows.promotion.finish import finish
from flows.promotion.offsite_copies import end_copies
from flows.promotion.plan import read_hosts
from flows.promotion.preflights import raise_first
from flows.promotion.prepare import Prepared, prepare_release
from flows.promotion.resume import go_on, report_again
from flows.promotion.show_plan import make_and_show_plan, planned_again, wait_for_gates
from flows.promotion.unchanged import brought_meanwhile, unchanged, verify_only
from flows.publication.show import show_aside
from flows.runs.conduct import (
    Request,
    begin_change,
    conduct,
    lease_held,
    others_wait,
    refuse_ended,
    rename_run,
    run_title,
    take_place,
)
from flows.runs.first_start import settle_unknown
from flows.watch.start import begin_watch
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from datetime import datetime

    from blocks.values.plans import Plan
    from blocks.values.resolved import Resolved
    from flows.core.session import Session
    from tasks.ledger.records import PromotionRecord

_MOST_REPLANS = 5


@flow(
    name="promote",
    flow_run_name="promote → {environment}",
    task_runner=ThreadPoolTaskRunner(max_workers=8),  # type: ignore[arg-type]
    persist_result=False,
)
def promote(
    environment: str,
    ref: str = "",
    source: str = "default",
    requested_by: str = "",
    override: str = "",
    freeze_override: str = "",
) -> State[Any]:
    """Bring a release into an environment: gates, build, plan, approvals, backup, migration, switch, smoke.

    Args:
        environment: Where it goes, as named in pipeline.yaml.
        ref: A branch, tag, commit or release. Empty: the head of the environment's branch, or the release that is
            proven in the environment before it.
        source: The `git-repository` block of the application.
        requested_by: Who asks for it: a login, e-mail or name. Needed where the policy excludes the requester from
            approving.
        override: The reason why a migration that breaks the running release is allowed together with the switch;
            needs as many approvals as `database.override_required` says.
        freeze_override: The reason why it may enter during a freeze; needs as many approvals as
            `gates.override_required` says.

    Returns:
        A completed state, or a failed one that says in one line what failed and what runs now.
    """
    parameters = dict(locals())  # all of them, by name
    request = Request(
        Kind.PROMOTE,
        environment,
        ref,
        source,
        requested_by,
        override=override.strip(),
        freeze_override=freeze_override.strip(),
        parameters=parameters,
    )
    return conduct(request, promote_body)


def promote_body(session: Session, request: Request, row: PromotionRecord) -> PromotionRecord:
    """Carry one promotion as far as it goes now.

    Args:
        row: The promotion as the ledger has it: new, or met again after a suspension or a crash.
    """
    policy = session.policy(request.environment)
    with session.reaching(policy) as reached:
        # What was resolved first counts: a branch may have moved while people were asked.
        resolved = resolve_request(session, policy, row.release_id or request.ref)
        policy = policy_for(policy, ref_facts(resolved), freeze_override=request.freeze_override)
        settle_unknown(session.ledger, row, policy, request.asked(session))
        description = session.describe(request.environment, resolved.release_text)
        run = session.run(row.id, policy, description, reached())
    rename_run(run_title(request, policy.pipeline, resolved.commit.sha))
    show_aside(run.showing, row.id, sha=resolved.commit.sha)
    ended = _promote(session, run, request, resolved, row)
    begin_watch(run, ended, request.source)
    # After the lease was given back: a large copy takes its time, and nobody has to wait for it.
    end_copies(run)
    return ended


def _promote(
    session: Session, run: Run, request: Request, resolved: Resolved, row: PromotionRecord
) -> PromotionRecord:
    action = next_action(row.status, run.ledger.steps.of(row.id))
    if action is Action.REPORT:
        return report_again(run, row, resolved)
    if row.status in ACTIVE:
        return go_on(session, run, request, resolved, row, restoring=action is Action.RESTORE)
    _refuse_unasked(run, row)
    planning = row.status is Status.PLANNING
    # Gates; then the build, and the hosts read and checked beside it.
    prepared = prepare_release(session, run, request, resolved, checks=planning)
    try:
        if planning and unchanged(prepared):
            return verify_only(prepared)
        # Before people are asked: what a host refuses needs nobody's approval.
        raise_first(prepared.checking)
        # Until what was planned on is what is there when it is changed.
        for _ in range(_MOST_REPLANS):
            try:
                ended = _plan_and_change(session, prepared, row.created_at)
            except UndecidedError:
                # The lease was given back: who waits for a check on GitHub does not keep it.
                wait_for_gates(session, prepared)
                continue
            if ended is not None:
                return ended
            log().warning("the environment changed while this promotion waited: planning again")
            run.ledger.promotions.move(run.promotion_id, Status.PLANNING, now=utc_now())
            prepared = replace(prepared, hosts=read_hosts(run))
    finally:
        prepared.settle()
    raise RefusedError(
        f"{run.environment} or its gates changed {_MOST_REPLANS} times while this promotion was planned",
        "find out who else changes it, check GitHub's checks, then start again",
    )


def _plan_and_change(session: Session, prepared: Prepared, since: datetime) -> PromotionRecord | None:
    """Plan → approvals → lease → change → record; None where it has to be planned anew."""
    run, asks = prepared.run, prepared.asks
    # Where nobody is asked one lease is kept from the plan to the change, so nothing can change between them.
    with nullcontext() if asks else lease_held(run):
        if not asks:
            refuse_ended(run)
            if (brought := brought_meanwhile(session, prepared)) is not None:
                return verify_only(brought)
        with started_early(prepared) as early:
            prepared = early.finish_release()
            plan = make_and_show_plan(session, prepared, early)
            early.wait()
            if others_wait(run):
                # What no host can carry takes nobody's place.
                raise_first(begin_checks(run, early.change(prepared, plan)))
            take_place(run, prepared.request)
            answer = _approved(session, prepared, plan, since)
            if answer is not Status.APPROVED:
                return _end_unapproved(run, plan, answer)
            run.ledger.promotions.move(run.promotion_id, Status.APPROVED, now=utc_now())
        with lease_held(run):
            if asks:
                prepared = replace(prepared, hosts=read_hosts(run))
                if planned_again(prepared, plan).hash != plan.hash:
                    return None
            begin_change(run)
            carry_out(run, early.change(prepared, plan))
            return finish(run, resolved=prepared.resolved)


def _refuse_unasked(run: Run, row: PromotionRecord) -> None:
    """Refuse to go on without an answer where people were asked: theirs may be a no."""
    if row.status is Status.WAITING and run.policy.approvals is None:
        raise RefusedError(
            f"the policy of {run.environment} changed while people were asked: no approval is needed any more",
            "nothing was touched; start the promotion again",
        )


def _approved(session: Session, prepared: Prepared, plan: Plan, since: datetime) -> Status:
    run = prepared.run
    return ask_until_quorum(
        run,
        plan,
        authors=authors_of(run.mirror, run.ledger, plan),
        requester=prepared.request.requested_by,
        reviews=Reviews(session.repository.github, prepared.release.commit.sha, since),
    )


def _end_unapproved(run: Run, plan: Plan, answer: Status) -> PromotionRecord:
    line = {
        Status.REJECTED: "rejected: " + _who_said_no(run, plan),
        Status.EXPIRED: "the approvals did not come in time",
    }[answer]
    run.ledger.promotions.move(run.promotion_id, answer, now=utc_now(), message=line)
    return finish(run)


def _who_said_no(run: Run, plan: Plan) -> str:
    said = [
        f"{record.approver}: {record.reason}"
        for record in run.ledger.approvals.of(run.promotion_id, plan.hash)
        if record.counted and record.decision == "reject"
    ]
    return "; ".join(said)
