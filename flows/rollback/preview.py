"""What a rollback would do, found out without acting."""

from __future__ import annotations

from prefect import flow

from blocks.values.lifecycle import Kind
from flows.core.session import open_session
from flows.domain.words.names import run_name
from flows.promotion.plan import PlanPreview, read_hosts
from flows.promotion.release_data import ask_data_gate
from flows.rollback.plan import rollback_plan
from flows.rollback.strategy import RollbackOptions, choose_release, choose_strategy, kept_manifests
from tasks.adapters.pool import close_all
from tasks.steps.step import log


@flow(name="plan rollback", flow_run_name="plan rollback → {environment}", persist_result=False)
def preview_rollback(
    environment: str,
    release: str = "",
    source: str = "default",
    undo: bool = False,  # noqa: FBT001, FBT002 - Prefect passes parameters by name
) -> PlanPreview:
    """Find out what a rollback would do, and do nothing: what has to be tried is tried on a copy of the database.

    Args:
        environment: The environment that would go back.
        release: A release id or the first digits of its commit; empty for the last good one.
        source: The `git-repository` block of the application.
        undo: True to see what taking the last restore back would do.

    Returns:
        The plan with the way back; where only a restore helps, also with what that would lose.

    Raises:
        SluiceError: There is no such release, or something could not be read, with what to do about it.
    """
    options = RollbackOptions(release=release, undo=undo)
    with open_session(source, must_fetch=False) as session:
        policy = session.policy(environment)
        run = session.run(0, policy, session.pipeline.describe(environment))
        hosts = read_hosts(run)
        target = choose_release(run, options, hosts)
        kept = kept_manifests(run, target)[run.primary]
        plan = rollback_plan(run, target, hosts, choose_strategy(run, target, hosts, options, costs=True))
        log().info("%s: read, nothing was changed", run_name(Kind.ROLLBACK, policy.pipeline, environment))
        close_all()
        gates = ask_data_gate(policy, hosts, target.id, lambda: (kept.brought, kept.written or ()))
        return PlanPreview(plan=plan, gates=gates, built=True)
