"""The plan as people see it, with what every gate says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.core.outcome import publish
from flows.domain.gates.view import gates_markdown
from flows.domain.promotion.plan_view import plan_markdown
from flows.gates.ask import ask_gates, ask_schema_gate
from flows.gates.entry import decide_entry
from flows.promotion.judge_schema import judge_schema
from flows.promotion.plan import evidence_of, plan_of
from flows.promotion.prepare import refuse_closed
from flows.promotion.release_data import ask_data_gate
from tasks.kernel.clock import utc_now
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.plans import GateAnswer, Plan
    from flows.core.session import Session
    from flows.promotion.early_start import EarlyStart
    from flows.promotion.prepare import Prepared


def make_and_show_plan(session: Session, prepared: Prepared, early: EarlyStart) -> Plan:
    """Compute the plan, publish it, and refuse it where a gate is closed.

    Raises:
        UndecidedError: A gate has not decided yet, and the lease is held.
    """
    run, release, hosts, sources = prepared.run, prepared.release, prepared.hosts, prepared.sources
    row = run.ledger.promotions.get(run.promotion_id)
    evidence = judge_schema(
        run,
        release,
        sources,
        hosts,
        override=prepared.request.override,
        earlier=row.plan if row is not None else None,
        early=early,
    )
    plan = plan_of(run, release, sources.described, hosts, evidence=evidence)
    # Asked again: a build takes its time, in which a check may turn red or a freeze begin.
    gates = _ask_entry_gates(session, prepared, hosts, waits=not early.holds_lease)
    gates += (*ask_schema_gate(run, plan), *ask_data_gate(run.policy, hosts, release.id, early.brought))
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
    refuse_closed(run, gates)
    return plan


def planned_again(prepared: Prepared, plan: Plan) -> Plan:
    """Return the plan of a moment later: another one where the environment changed meanwhile."""
    run, release = prepared.run, prepared.release
    evidence = evidence_of(run, release, plan)
    return plan_of(run, release, prepared.sources.described, prepared.hosts, evidence=evidence)


def wait_for_gates(session: Session, prepared: Prepared) -> None:
    """Wait, without the lease, until every gate has decided or the time to wait is over."""
    _ask_entry_gates(session, prepared, None, waits=True)


def _ask_entry_gates(
    session: Session, prepared: Prepared, hosts: Mapping[str, HostFacts] | None, *, waits: bool
) -> tuple[GateAnswer, ...]:
    """Ask the gates; without the hosts' facts, keys are not asked about."""
    run, resolved, release = prepared.run, prepared.resolved, prepared.release
    described = prepared.sources.described if hosts is not None else None
    others = ask_gates(session, run.policy, resolved, release, described=described, hosts=hosts)
    return decide_entry(session, run, prepared.request, resolved, release.id, others, waits=waits)
