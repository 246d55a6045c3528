"""Brings a release into an environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.values.lifecycle import ACTIVE, ENDED, Kind, Status
from flows.approvals.authors import authors_of
from flows.approvals.quorum import ask_until_quorum
from flows.approvals.reviews import Reviews
from flows.core.outcome import publish
from flows.domain.gates.gates import refusal
from flows.domain.gates.hotfix import policy_for
from flows.domain.gates.view import gates_markdown
from flows.domain.promotion.plan_view import plan_markdown
from flows.domain.promotion.recovery import Action, failure_note, next_action
from flows.gates.ask import ask_gates, ask_schema_gate, ref_facts, resolve_request
from flows.gates.entry import UndecidedError, decide_entry
from flows.promotion.bundle import make_bundle
from flows.promotion.change import carry_out, keep_running, stopped_meanwhile
from flows.promotion.early_start import Ahead, going_ahead
from flows.promotion.finish import finish
from flows.promotion.judge_schema import evidence_of, judge_schema
from flows.promotion.offsite_copies import end_copies
from flows.promotion.pending_release import Coming
from flows.promotion.plan import expected_images, is_running, plan_of, read_hosts
from flows.promotion.preflights import raise_first
from flows.promotion.prepare import Prepared, prepare_work
from flows.promotion.release_data import ask_data_gate
from flows.promotion.resume import go_on, report_again
from flows.promotion.work import Work, change_of
from flows.publication.show import show_aside
from flows.runs.conduct import (
    Request,
    begin_change,
    conduct,
    lease_held,
    refuse_ended,
    rename_run,
    run_title,
    take_place,
)
from flows.runs.first_start import settle_unknown
from flows.watch.start import begin_watch
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import FencedError, RefusedError, SluiceError, TerminalError
from tasks.services.smoke import verify
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.values.plans import GateAnswer, Plan
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
        override: The reason why a migration that breaks the running release may come in together with the switch;
            takes as many approvals as `database.override_required` says.
        freeze_override: The reason why it may enter in a freeze; takes as many approvals as `gates.override_required`.

    Returns:
        A completed state, or a failed one that says in one line what failed and what runs now.
    """
    request = Request(
        Kind.PROMOTE,
        environment,
        ref,
        source,
        requested_by,
        override=override.strip(),
        freeze_override=freeze_override.strip(),
        parameters={
            "environment": environment,
            "ref": ref,
            "source": source,
            "requested_by": requested_by,
            "override": override,
            "freeze_override": freeze_override,
        },
    )
    return conduct(request, promote_body)


def promote_body(session: Session, request: Request, row: PromotionRecord) -> PromotionRecord:
    """Carry one promotion as far as it goes now.

    Args:
        session: The flow's session.
        request: What was asked for.
        row: The promotion as the ledger has it: new, or met again after a suspension or a crash.

    Returns:
        The promotion, ended.
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
    ended = _go(session, run, request, resolved, row)
    begin_watch(run, ended, request.source)
    # After the lease was given back: a large copy takes its time, and nobody has to wait for it.
    end_copies(run)
    return ended


def _go(
    session: Session, run: Run, request: Request, resolved: Resolved, row: PromotionRecord
) -> PromotionRecord:
    action = next_action(row.status, run.ledger.steps.of(row.id)).action
    if action is Action.REPORT:
        return report_again(run, row, resolved)
    if row.status in ACTIVE:
        return go_on(session, run, request, resolved, row, restoring=action is Action.RESTORE)
    _refuse_unasked(run, row)
    planning = row.status is Status.PLANNING
    # A rehearsal takes its time, in which the lease is free: somebody may have to go back.
    asks = run.policy.approvals is not None or run.policy.database.rehearse
    prepared = prepare_work(session, run, request, resolved, checks=planning, asks=asks)
    try:
        if planning and _unchanged(prepared):
            return _verify_only(prepared.work())
        # Before people are asked: what a host refuses needs nobody's approval.
        raise_first(prepared.checking)
        if asks:
            _decide(session, prepared.work())
        else:
            _change_unasked(session, prepared)
    finally:
        prepared.settle()
    return _end(run)


def _refuse_unasked(run: Run, row: PromotionRecord) -> None:
    """Refuse to go on without an answer where people were asked: theirs may be a no."""
    if row.status is Status.WAITING and run.policy.approvals is None:
        raise RefusedError(
            f"the policy of {run.environment} changed while people were asked: it asks nobody any more",
            "nothing was touched; start the promotion again",
        )


def _unchanged(prepared: Prepared) -> bool:
    if prepared.coming.built:
        return False
    release = prepared.coming.known
    return is_running(prepared.hosts, release, expected_images(release, prepared.sources))


def _verify_only(work: Work) -> PromotionRecord:
    """Smoke a release that runs already: nothing to change, so nobody is asked."""
    run = work.run
    log().info("%s runs in %s already; verifying", work.release.id, run.environment)
    for name in run.hosts:
        verify(run, host=name, release=work.release, checkout=work.sources.source)
    run.ledger.promotions.move(
        run.promotion_id,
        Status.UNCHANGED,
        now=utc_now(),
        message=f"{work.release.id} runs in {run.environment} already; its smoke checks passed",
    )
    return finish(run, resolved=work.resolved)


def make_and_show_plan(session: Session, work: Work, ahead: Ahead | None = None) -> Plan:
    """Compute the plan, publish it, and refuse it where a gate is closed.

    Args:
        session: The flow's session.
        work: What is known.
        ahead: What was begun on the first host already; None for nothing.

    Returns:
        The plan, recorded.

    Raises:
        RefusedError: A gate is closed.
        UndecidedError: A gate has not decided yet; only with `ahead`.
    """
    run, described = work.run, work.sources.described
    evidence = judge_schema(
        run,
        work.release,
        work.sources,
        work.hosts,
        override=work.request.override,
        earlier=_earlier_plan(run),
        ahead=ahead,
    )
    plan = plan_of(run, work.release, described, work.hosts, evidence=evidence)
    gates = ask_gates(session, run.policy, work.resolved, work.release, described=described, hosts=work.hosts)
    # Asked again: a build takes its time, in which a check may turn red or a freeze begin.
    # Who waits for a check on GitHub does not keep the lease meanwhile.
    gates = decide_entry(
        session, run, work.request, work.resolved, work.release.id, gates, waits=ahead is None
    )
    gates = (*gates, *ask_schema_gate(run, plan), *_ask_data_gate(work))
    row = run.ledger.promotions.get(run.promotion_id)
    if row is None or row.plan_hash != plan.hash:
        if row is not None and row.plan_hash is not None:
            log().warning("the plan changed meanwhile: earlier approvals do not count for it")
            # People are told of each plan they are asked about.
            run.ledger.promotions.move(run.promotion_id, Status.PLANNING, now=utc_now())
        text = plan_markdown(plan) + gates_markdown(gates)
        publish(f"plan-{run.pipeline}-{run.environment}", text, "What would change")
        run.ledger.promotions.set_plan(
            run.promotion_id, plan=plan, previous_release_id=plan.running_release_id, now=utc_now()
        )
    closed = refusal(gates, run.environment)
    if closed is not None:
        raise closed
    return plan


def _ask_data_gate(work: Work) -> tuple[GateAnswer, ...]:
    def after() -> dict[str, str]:
        return (work.bundle or make_bundle(work.run, work.release, work.sources)).checksums()

    return ask_data_gate(work.run.policy, work.hosts, work.release.id, after)


def _earlier_plan(run: Run) -> Plan | None:
    row = run.ledger.promotions.get(run.promotion_id)
    return row.plan if row is not None else None


def _change_unasked(session: Session, prepared: Prepared) -> None:
    """Plan and change under one lease; where a gate has to be waited for after all, give it back and begin anew."""
    run, request, resolved = prepared.run, prepared.request, prepared.resolved
    for _ in range(_MOST_REPLANS):
        try:
            _change_at_once(session, prepared)
        except UndecidedError:
            others = ask_gates(session, run.policy, resolved, prepared.coming.known)
            decide_entry(session, run, request, resolved, prepared.coming.release_id, others)
        else:
            return
    raise RefusedError(
        f"the gates of {run.environment} opened and closed {_MOST_REPLANS} times while this promotion was planned",
        "look at the checks on GitHub, then start again",
    )


def _change_at_once(session: Session, prepared: Prepared) -> None:
    """Nobody is asked between plan and change, so nothing can change meanwhile."""
    run = prepared.run
    with lease_held(run):
        refuse_ended(run)
        if (there := _brought_meanwhile(session, prepared)) is not None:
            _verify_only(there.work())
            return
        try:
            with going_ahead(prepared) as ahead:
                work = replace(prepared.work(ahead.revisions), hosts=ahead.hosts, bundle=ahead.bundle)
                plan = make_and_show_plan(session, work, ahead)
                change = change_of(work, plan, ready=ahead.ready())
                take_place(run, prepared.request)
                run.ledger.promotions.move(run.promotion_id, Status.APPROVED, now=utc_now())
        except FencedError:
            raise
        except SluiceError as error:
            # A gate that says no has stopped nothing; an engine that died may be why it does.
            if isinstance(error, RefusedError) and not stopped_meanwhile(run, prepared.hosts):
                raise
            raise _still_running(run, prepared, error) from error
        begin_change(run)
        carry_out(run, change)
        finish(run, resolved=work.resolved)


def _brought_meanwhile(session: Session, prepared: Prepared) -> Prepared | None:
    """Return what is known now where another promotion brought the same release while this one waited for the lease."""
    run, promotions = prepared.run, session.ledger.promotions
    last = promotions.running(run.pipeline, run.environment)
    ended = last.ended_at if last is not None and last.release_id == prepared.coming.release_id else None
    release = session.ledger.releases.get(prepared.coming.release_id)
    if ended is None or ended < prepared.checked_at or release is None:
        return None
    there = replace(prepared, coming=Coming.recorded(run, release), hosts=read_hosts(run))
    return there if _unchanged(there) else None


def _still_running(run: Run, prepared: Prepared, error: SluiceError) -> TerminalError:
    """Start again what an engine that died meanwhile took with it; return the error with what runs now."""
    log().error("%s", error)
    before = prepared.hosts[run.primary].manifest
    note = failure_note(Status.FAILED, run.environment, before.release.id if before else None)
    kind = RefusedError if isinstance(error, RefusedError) else TerminalError
    return kind(f"{error.what} ({keep_running(run, prepared.hosts) or note})", error.todo, error.detail)


def _decide(session: Session, work: Work) -> None:
    """Plan, ask, take the lease, look again, change. A plan that changed is asked about anew."""
    run = work.run
    for _ in range(_MOST_REPLANS):
        plan = make_and_show_plan(session, work)
        take_place(run, work.request)
        answer = _approved(session, work, plan)
        if answer is not Status.APPROVED:
            line = {
                Status.REJECTED: "rejected: " + _who_said_no(run, plan),
                Status.EXPIRED: "the approvals did not come in time",
            }[answer]
            run.ledger.promotions.move(run.promotion_id, answer, now=utc_now(), message=line)
            return
        run.ledger.promotions.move(run.promotion_id, Status.APPROVED, now=utc_now())
        with lease_held(run):
            work = replace(work, hosts=read_hosts(run))
            again = plan_of(
                run,
                work.release,
                work.sources.described,
                work.hosts,
                evidence=evidence_of(run, work.release, plan),
            )
            if again.hash == plan.hash:
                begin_change(run)
                carry_out(run, change_of(work, plan))
                finish(run, resolved=work.resolved)
                return
        log().warning("the environment changed while this promotion waited: planning anew")
        run.ledger.promotions.move(run.promotion_id, Status.PLANNING, now=utc_now())
    raise RefusedError(
        f"{run.environment} changed {_MOST_REPLANS} times while this promotion was planned",
        "look who else changes it, then start again",
    )


def _approved(session: Session, work: Work, plan: Plan) -> Status:
    run = work.run
    return ask_until_quorum(
        run,
        plan,
        authors=authors_of(run.mirror, run.ledger, plan),
        requester=work.request.requested_by,
        reviews=Reviews(session.repository.github, work.release.commit.sha),
    )


def _who_said_no(run: Run, plan: Plan) -> str:
    said = [
        f"{record.approver}: {record.reason}"
        for record in run.ledger.approvals.of(run.promotion_id, plan.hash)
        if record.counted and record.decision == "reject"
    ]
    return "; ".join(said)


def _end(run: Run) -> PromotionRecord:
    row = run.ledger.promotions.get(run.promotion_id)
    if row is None:
        raise RuntimeError("the promotion's row is gone")
    if row.status in ENDED and row.status in {Status.REJECTED, Status.EXPIRED}:
        return finish(run)
    return row
