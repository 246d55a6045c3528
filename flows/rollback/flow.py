"""Brings an earlier release back: its digests and its bundle, kept on the hosts; the database as evidence allows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.values.lifecycle import ACTIVE, Kind, Status
from blocks.values.rollback import RollbackStrategy, StrategyKind
from flows.domain.promotion.recovery import Action, next_action
from flows.promotion.change import Change
from flows.promotion.fallback import restore_again
from flows.promotion.finish import finish
from flows.promotion.offsite_copies import end_copies
from flows.promotion.plan import read_hosts
from flows.promotion.release_data import refuse_left
from flows.promotion.resume import before_the_switch
from flows.rollback.execute import carry_back, fallback_of, refuse_unready
from flows.rollback.plan import show_rollback_plan
from flows.rollback.restore import ask_for_restore, refuse_unaskable, refuse_unasked, same_ground
from flows.rollback.revert import revert_left
from flows.rollback.strategy import (
    RollbackOptions,
    choose_release,
    choose_strategy,
    kept_manifests,
    release_of,
)
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
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.manifests import Manifest
    from blocks.values.plans import Plan
    from flows.core.session import Session
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
    allow_restore: bool = False,  # noqa: FBT001, FBT002 - Prefect passes parameters by name
    undo: bool = False,  # noqa: FBT001, FBT002
    insist: bool = False,  # noqa: FBT001, FBT002
    leaving: str = "",
) -> State[Any]:
    """Roll back to an earlier release; the one that was rolled back is on hold until a person removes the hold.

    Without any parameter it does only what is proven to lose nothing: the code alone where the release is known to run
    on the present schema, down-migrations where they lost nothing on a copy of the present database.

    Args:
        environment: The environment's name.
        release: A release id or the first digits of its commit. Empty: the last good one.
        source: The `git-repository` block of the application.
        reason: Why; shown in the history and on the hold.
        requested_by: Who asks for it; needed for a restore where the policy excludes the requester from approving.
        allow_restore: Ask people whether a dump may replace the database, where nothing else helps. They see what
            is lost, and more of them must agree than to a promotion.
        undo: Ask people whether the last restore may be undone, with the dump that was taken before it.
        insist: Roll back the code alone across migrations that were not judged; needs a reason.
        leaving: The release to roll back; if another one runs by then, nothing is done.

    Returns:
        A completed state, or a failed one that says in one line what failed and what runs now.
    """
    parameters = dict(locals())  # all of them, by name
    request = Request(
        Kind.ROLLBACK, environment, release, source, requested_by, cause=reason, parameters=parameters
    )
    options = RollbackOptions(
        release=release, restore=allow_restore, undo=undo, insist=insist, leaving=leaving.strip()
    )
    return conduct(request, partial(_rollback_body, options=options))


def _rollback_body(
    session: Session, request: Request, row: PromotionRecord, *, options: RollbackOptions
) -> PromotionRecord:
    policy = session.policy(request.environment)
    settle_unknown(session.ledger, row, policy, request.asked(session))
    run = session.run(row.id, policy, session.pipeline.describe(request.environment))
    rename_run(run_title(request, policy.pipeline))
    ended = _roll_back(run, request, row, options)
    end_copies(run)
    # An undone restore goes on with what was left before: nothing of it is to be reverted.
    if not options.undo:
        revert_left(session, run, ended)
    return ended


def _roll_back(run: Run, request: Request, row: PromotionRecord, options: RollbackOptions) -> PromotionRecord:
    action = next_action(row.status, run.ledger.steps.of(row.id))
    if action is Action.REPORT:
        return _report_again(run, request, row, options)
    if row.status in ACTIVE:
        return _go_on(run, request, row, options, restoring=action is Action.RESTORE)
    _refuse_bare_options(run, request, options)
    plan = _asked_before(run, row)
    if plan is None:
        with lease_held(run):
            refuse_ended(run)
            hosts = read_hosts(run)
            plan, manifests = _decide(run, hosts, options)
            asks = _strategy(plan).way is StrategyKind.RESTORE
            if not asks:
                refuse_unasked(run, row)
            change = _change(run, plan.release_id, hosts, manifests)
            # What a host refuses needs nobody's approval, and ends nothing that waits.
            if asks or others_wait(run):
                refuse_unready(run, change, _strategy(plan))
            if not asks:
                take_place(run, request)
                run.ledger.promotions.move(row.id, Status.APPROVED, now=utc_now())
                return _carry(run, request, plan, change, options)
    take_place(run, request)
    if not ask_for_restore(run, request, plan):
        return finish(run)
    run.ledger.promotions.move(row.id, Status.APPROVED, now=utc_now())
    with lease_held(run):
        hosts = read_hosts(run)
        same_ground(run, plan, hosts)
        return _carry(run, request, plan, _change(run, plan.release_id, hosts), options)


def _refuse_bare_options(run: Run, request: Request, options: RollbackOptions) -> None:
    if options.insist and not request.cause.strip():
        raise RefusedError(
            f"rollback of {run.environment}: insist takes responsibility for what was not judged, so it needs a reason",
            "start it again with `--param reason=…`",
        )
    if options.restore or options.undo:
        refuse_unaskable(run, request)


def _asked_before(run: Run, row: PromotionRecord) -> Plan | None:
    """Return the restore people were asked about before this run was suspended; None where the policy changed since."""
    plan = row.plan
    if plan is None or _strategy(plan).way is not StrategyKind.RESTORE:
        return None
    if plan.policy_checksum == run.policy.checksum:
        return plan
    log().warning(
        "the policy changed meanwhile: earlier approvals do not count for the plan that follows from it"
    )
    run.ledger.promotions.move(row.id, Status.PLANNING, now=utc_now())
    return None


def _decide(
    run: Run, hosts: Mapping[str, HostFacts], options: RollbackOptions
) -> tuple[Plan, dict[str, Manifest]]:
    """Choose the release and the strategy, and write both down before anything is touched."""
    target = choose_release(run, options, hosts)
    manifests = kept_manifests(run, target)
    strategy = choose_strategy(run, target, hosts, options)
    plan = show_rollback_plan(run, target, hosts, strategy)
    if strategy.way is StrategyKind.FORBIDDEN:
        raise RefusedError(f"rollback of {run.environment} to {target.id}: {strategy.reason}", strategy.todo)
    refuse_left(run.policy, hosts, manifests)
    log().info("%s: %s", strategy.way, strategy.reason)
    run.ledger.promotions.set_release(run.promotion_id, target.id, utc_now())
    run.ledger.promotions.set_plan(
        run.promotion_id, plan=plan, previous_release_id=plan.running_release_id, now=utc_now()
    )
    return plan, manifests


def _change(
    run: Run,
    release_id: str,
    hosts: Mapping[str, HostFacts],
    manifests: Mapping[str, Manifest] | None = None,
) -> Change:
    target = release_of(run, release_id)
    return Change(target, kept_manifests(run, target) if manifests is None else manifests, None, hosts)


def _strategy(plan: Plan) -> RollbackStrategy:
    """Return how a rollback goes; one that was planned by an older version goes with the code alone."""
    return plan.going_back or RollbackStrategy(way=StrategyKind.CODE, reason="planned by an older version")


def _carry(
    run: Run, request: Request, plan: Plan, change: Change, options: RollbackOptions
) -> PromotionRecord:
    begin_change(run)
    carry_back(run, change, _strategy(plan))
    return _finish(run, request, plan, options)


def _go_on(
    run: Run, request: Request, row: PromotionRecord, options: RollbackOptions, *, restoring: bool
) -> PromotionRecord:
    """Go on where a killed run was cut; what was decided before stands."""
    plan = row.plan
    if plan is None or row.release_id is None:
        raise RefusedError(f"promotion {row.id} was interrupted before its plan was known", "start a new one")
    with lease_held(run):
        hosts = before_the_switch(run, read_hosts(run), row.previous_release_id)
        change, strategy = _change(run, row.release_id, hosts), _strategy(plan)
        if restoring:
            restore_again(run, row, fallback_of(run, change, strategy))
        else:
            carry_back(run, change, strategy)
        return _finish(run, request, plan, options)


def _report_again(
    run: Run, request: Request, row: PromotionRecord, options: RollbackOptions
) -> PromotionRecord:
    log().info("promotion %s ended before: %s", row.id, row.status)
    if row.status is not Status.SUCCEEDED:
        return row
    with lease_held(run):
        _hold(run, request, options)
        return finish(run)


def _finish(run: Run, request: Request, plan: Plan, options: RollbackOptions) -> PromotionRecord:
    _hold(run, request, options)
    strategy = _strategy(plan)
    return finish(run, warnings=(f"{strategy.way}: {strategy.reason}",))


def _hold(run: Run, request: Request, options: RollbackOptions) -> None:
    row = run.ledger.promotions.get(run.promotion_id)
    if row is None or row.status is not Status.SUCCEEDED or row.previous_release_id is None:
        return
    if options.undo:
        log().info("%s may still be on hold: `sluice unhold %s --reason …`", row.release_id, run.environment)
        return
    left = row.previous_release_id
    active = {hold.release_id for hold in run.ledger.holds.active(run.pipeline, run.environment)}
    if left not in active:
        reason = request.cause or "rolled back"
        who = request.requested_by or f"promotion {run.promotion_id}"
        run.ledger.holds.add(run.pipeline, run.environment, left, reason, who, utc_now())
        log().info("%s is on hold in %s: %s", left, run.environment, reason)
