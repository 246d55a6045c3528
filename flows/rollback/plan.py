"""The plan of a rollback: what goes back, how the database is treated, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.rollback import RollbackStrategy, StrategyKind
from flows.core.describe import describe_commit
from flows.core.outcome import publish
from flows.domain.promotion.plan_view import plan_markdown
from flows.promotion.plan import plan_of
from flows.rollback.evidence import quorum_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.plans import Plan
    from blocks.values.releases import Release
    from tasks.steps.run import Run


def rollback_plan(
    run: Run, target: Release, hosts: Mapping[str, HostFacts], strategy: RollbackStrategy
) -> Plan:
    """Put the plan of a rollback together.

    Returns:
        The plan. Its hash, which people approve for a restore, covers the dump and how many rows may be lost.
    """
    described = describe_commit(run.mirror, run.description, target.commit.sha)
    plan = plan_of(run, target, described, hosts, migrates=False)
    approvals = run.policy.approvals
    asks = strategy.way is StrategyKind.RESTORE and approvals is not None
    return plan.model_copy(
        update={
            "backup": strategy.way in {StrategyKind.DOWNGRADE, StrategyKind.RESTORE},
            "approvals_required": quorum_of(run) if asks else 0,
            "approvers": approvals.approvers if asks and approvals is not None else (),
            "going_back": strategy,
        }
    )


def show_rollback_plan(
    run: Run, target: Release, hosts: Mapping[str, HostFacts], strategy: RollbackStrategy
) -> Plan:
    """Put the plan together and publish it, before anything is touched."""
    plan = rollback_plan(run, target, hosts, strategy)
    publish(f"plan-{run.pipeline}-{run.environment}", plan_markdown(plan), "What goes back")
    return plan
