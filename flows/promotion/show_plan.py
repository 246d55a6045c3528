"""The plan as people see it, with what every gate says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.core.outcome import publish
from flows.domain.gates.gates import refusal
from flows.domain.gates.view import gates_markdown
from flows.domain.promotion.plan_view import plan_markdown
from flows.gates.ask import ask_gates, ask_schema_gate
from flows.gates.entry import decide_entry
from flows.promotion.judge_schema import judge_schema
from flows.promotion.plan import plan_of
from flows.promotion.release_data import ask_data_gate
from tasks.kernel.clock import utc_now
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.values.plans import Plan
    from flows.core.session import Session
    from flows.promotion.early_start import EarlyStart
    from flows.promotion.prepare import Prepared
    from flows.promotion.work import Work


def make_and_show_plan(session: Session, work: Work, early: EarlyStart) -> Plan:
    """Compute the plan, publish it, and refuse it where a gate is closed.

    Args:
        early: What was begun on the first host already.

    Returns:
        The plan, recorded.

    Raises:
        RefusedError: A gate is closed.
        UndecidedError: A gate has not decided yet, and the lease is held.
    """
    run, described = work.run, work.sources.described
    row = run.ledger.promotions.get(run.promotion_id)
    evidence = judge_schema(
        run,
        work.release,
        work.sources,
        work.hosts,
        override=work.request.override,
        earlier=row.plan if row is not None else None,
        early=early,
    )
    plan = plan_of(run, work.release, described, work.hosts, evidence=evidence)
    gates = ask_gates(session, run.policy, work.resolved, work.release, described=described, hosts=work.hosts)
    # Asked again: a build takes its time, in which a check may turn red or a freeze begin.
    gates = decide_entry(
        session, run, work.request, work.resolved, work.release.id, gates, waits=not early.holds_lease
    )
    data = ask_data_gate(run.policy, work.hosts, work.release.id, early.brought)
    gates = (*gates, *ask_schema_gate(run, plan), *data)
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


def wait_for_gates(session: Session, prepared: Prepared) -> None:
    """Wait, without the lease, until every gate has decided or the time to wait is over."""
    run, resolved, release = prepared.run, prepared.resolved, prepared.coming.known
    others = ask_gates(session, run.policy, resolved, release)
    decide_entry(session, run, prepared.request, resolved, release.id, others)
