"""Brings an earlier release back: its digests and its bundle, kept on the hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.values.lifecycle import ACTIVE, Kind, Status
from flows.changing import Change, bring_back, carry_out
from flows.conduct import Request, conduct, lease_held, rename_run, run_title, supersede_older
from flows.describing import describe_commit
from flows.domain.plan_view import plan_markdown
from flows.domain.recovery import Action, next_action
from flows.domain.rollback import RollbackDecision, choose_target
from flows.evidence import past_promotions
from flows.finishing import finish
from flows.outcome import publish
from flows.planning import plan_of, read_hosts
from flows.promote import before_the_switch
from tasks.errors import RefusedError, TerminalError
from tasks.facts import read_manifest
from tasks.run import Run, utc_now
from tasks.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.manifests import Manifest
    from blocks.values.releases import Release
    from flows.session import Session
    from tasks.ledger.records import PromotionRecord


@flow(
    name="rollback",
    flow_run_name="rollback → {environment}",
    task_runner=ThreadPoolTaskRunner(max_workers=8),  # type: ignore[arg-type]
    persist_result=False,
)
def rollback(
    environment: str,
    release: str = "",
    source: str = "default",
    reason: str = "",
    requested_by: str = "",
) -> State[Any]:
    """Go back to an earlier release; the one that is left is held until a person lets it in again.

    Only the code goes back: the database keeps its schema and its rows, and a warning says where it is ahead.

    Args:
        environment: The environment's name.
        release: A release id or the first digits of its commit. Empty: the last good one.
        source: The `git-repository` block of the application.
        reason: Why; it stands in the history and on the hold.
        requested_by: Who asks for it.

    Returns:
        A completed state, or a failed one that says in one line what failed and what runs now.
    """
    request = Request(Kind.ROLLBACK, environment, release, source, requested_by, cause=reason)
    return conduct(request, _rollback_body)


def _rollback_body(session: Session, request: Request, row: PromotionRecord) -> PromotionRecord:
    policy = session.policy(request.environment)
    run = session.run(row.id, policy, session.pipeline.describe(request.environment))
    rename_run(run_title(request, policy.pipeline))
    action = next_action(row.status, run.ledger.steps.of(row.id)).action
    if action is Action.REPORT:
        return _report_again(run, request, row)
    if row.status not in ACTIVE:
        supersede_older(run, request)
    with lease_held(run):
        hosts = read_hosts(run)
        if row.status in ACTIVE:
            hosts = before_the_switch(run, hosts, row.previous_release_id)
        decision = _decide(run, request, row, hosts)
        target = _target(run, decision)
        manifests = _kept_manifests(run, target)
        if row.status not in ACTIVE:
            _record_plan(run, target, hosts)
        change = Change(
            release=target,
            manifests=manifests,
            bundle=None,
            hosts=hosts,
            backup=False,
            migrates=False,
            checkout=None,
        )
        if action is Action.RESTORE:
            run.ledger.promotions.move(row.id, Status.RESTORING, now=utc_now())
            bring_back(run, change, row.message or "the run was cut after a failure")
        else:
            carry_out(run, change)
        _hold(run, request)
        return finish(run)


def _report_again(run: Run, request: Request, row: PromotionRecord) -> PromotionRecord:
    """Finish what a run killed after its end left undone."""
    log().info("promotion %s ended before: %s", row.id, row.status)
    if row.status is not Status.SUCCEEDED:
        return row
    with lease_held(run):
        _hold(run, request)
        return finish(run)


def _decide(
    run: Run, request: Request, row: PromotionRecord, hosts: Mapping[str, HostFacts]
) -> RollbackDecision:
    """Choose where to go back to; what was chosen before a crash stands."""
    if row.release_id is not None and row.status in ACTIVE:
        return RollbackDecision(release_id=row.release_id)
    running = hosts[run.primary].manifest
    decision = choose_target(
        request.ref,
        past_promotions(run),
        environment=run.environment,
        running_release_id=running.release.id if running else None,
        held={hold.release_id for hold in run.ledger.holds.active(run.pipeline, run.environment)},
    )
    if decision.release_id is None:
        raise RefusedError(f"rollback of {run.environment}: {decision.refused_reason}", "nothing was touched")
    return decision


def _target(run: Run, decision: RollbackDecision) -> Release:
    target = run.ledger.releases.get(decision.release_id or "")
    if target is None:
        raise TerminalError(f"release {decision.release_id} is not in the ledger", "name another one")
    return target


def _kept_manifests(run: Run, target: Release) -> dict[str, Manifest]:
    """Read the release's manifest on every host: its bundle must still be there."""
    found: dict[str, Manifest] = {}
    for name, host in run.hosts.items():
        manifest = read_manifest(host, run.directories[name], target.id)
        if manifest is None:
            raise RefusedError(
                f"{name} no longer keeps the bundle of {target.id}",
                f"promote it: `prefect deployment run promote/{run.environment} --param ref={target.commit.sha}`",
            )
        found[name] = manifest
    return found


def _record_plan(run: Run, target: Release, hosts: Mapping[str, HostFacts]) -> None:
    """Write down what will change, then begin."""
    promotions = run.ledger.promotions
    described = describe_commit(run.mirror, run.description, target.commit.sha)
    plan = plan_of(run, target, described, hosts, migrates=False)
    plan = plan.model_copy(update={"backup": False, "approvals_required": 0, "approvers": ()})
    publish(f"plan-{run.pipeline}-{run.environment}", plan_markdown(plan), "What goes back")
    promotions.set_release(run.promotion_id, target.id, utc_now())
    promotions.set_plan(
        run.promotion_id, plan=plan, previous_release_id=plan.running_release_id, now=utc_now()
    )
    promotions.move(run.promotion_id, Status.APPROVED, now=utc_now())
    promotions.move(run.promotion_id, Status.RUNNING, now=utc_now())


def _hold(run: Run, request: Request) -> None:
    """Hold the release that was left, so that the next promotion does not bring it back."""
    row = run.ledger.promotions.get(run.promotion_id)
    if row is None or row.status is not Status.SUCCEEDED or row.previous_release_id is None:
        return
    left = row.previous_release_id
    active = {hold.release_id for hold in run.ledger.holds.active(run.pipeline, run.environment)}
    if left not in active:
        reason = request.cause or "rolled back"
        who = request.requested_by or f"promotion {run.promotion_id}"
        run.ledger.holds.add(run.pipeline, run.environment, left, reason, who, utc_now())
        log().info("%s is held in %s: %s", left, run.environment, reason)
