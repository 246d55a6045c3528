"""Carries out runs of Sluice's own flows, and of no others.

Whoever holds the API's login can make a deployment that names other code, or steps that fetch it. Only the process of a
run loads what a deployment names, here; the worker loads no flow.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.engine import handle_engine_signals
from prefect.flow_engine import run_flow
from prefect.flows import load_flow_from_entrypoint
from prefect.logging.loggers import flow_run_logger

from blocks.settings import Settings
from deployments.control_plane.login import CLIENT, keep_out_of_logs
from tasks.kernel.errors import TerminalError

if TYPE_CHECKING:
    import logging

    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun

# Names that deployments of earlier versions have for the same flows.
RENAMED_FLOWS = {
    "flows.drill.drill": "flows.database.drill.drill",
    "flows.promote.promote": "flows.promotion.flow.promote",
    "flows.protect.protect": "flows.rules.flow.protect",
    "flows.reconcile.reconcile": "flows.drift.flow.reconcile",
    "flows.redeploy.redeploy": "flows.promotion.redeploy.redeploy",
    "flows.relax.relax": "flows.rules.relax.relax",
    "flows.rollback.rollback": "flows.rollback.flow.rollback",
    "flows.tend.tend": "flows.pull_requests.flow.tend",
    "flows.watch.watch": "flows.watch.flow.watch",
}
# A flow that comes has no earlier name, and is added here.
KNOWN_FLOWS = frozenset(RENAMED_FLOWS.values())


def further_flows(named: str) -> frozenset[str]:
    """Return the flows that SLUICE_FURTHER_FLOWS names, separated by commas."""
    return frozenset(name for one in named.split(",") if (name := one.strip()))


def check_deployment(name: str, entrypoint: str | None, *, pulls: bool, further: str = "") -> None:
    """Refuse a deployment that names another flow than Sluice's, or has steps that fetch code.

    Args:
        further: Flows of the user's own that may run as well, separated by commas.
    """
    if entrypoint not in KNOWN_FLOWS | further_flows(further):
        raise TerminalError(
            f"deployment {name} runs {entrypoint or 'nothing'}, which is not a flow of Sluice",
            "run flows of your own from a work pool of their own, or name it in SLUICE_FURTHER_FLOWS",
        )
    if pulls:
        raise TerminalError(
            f"deployment {name} has pull steps, and Sluice does not fetch code",
            "deploy it again with `sluice up`",
        )


def load_known_flow(flow_run: FlowRun) -> Flow[..., Any]:
    """Load the flow of a run; one that is none of Sluice's is refused, with nothing of it imported or executed."""
    if flow_run.deployment_id is None:
        raise TerminalError(f"run {flow_run.name} has no deployment", "start a run of a deployment")
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment(flow_run.deployment_id)
    # A run may go on before `sluice up` has renamed what its deployment runs.
    entrypoint = RENAMED_FLOWS.get(str(deployment.entrypoint), deployment.entrypoint)
    check_deployment(
        deployment.name, entrypoint, pulls=bool(deployment.pull_steps), further=Settings().further_flows
    )
    return load_flow_from_entrypoint(str(entrypoint), use_placeholder_flow=False)


def carry_out(run: str) -> None:
    """Carry a flow run out in this process, which ends as `prefect.engine` would."""
    keep_out_of_logs(os.environ.get(CLIENT, ""))
    number = UUID(run)
    with handle_engine_signals(number):
        with get_client(sync_client=True) as client:
            flow_run = client.read_flow_run(number)
        logger = flow_run_logger(flow_run)
        try:
            flow = load_known_flow(flow_run)
        except Exception as error:
            logger.error("%s", error)  # noqa: TRY400 - one line; the traceback is in the worker's log
            raise
        # A flow that failed has said so to the server: for the worker its process has ended well.
        ending = run_flow(
            flow, flow_run=flow_run, error_logger=cast("logging.Logger", logger), return_type="state"
        )
        if inspect.iscoroutine(ending):
            asyncio.run(ending)
