"""Lets worker and runs load Sluice's own flows only.

Whoever holds the API's login can make a deployment that names other code, or steps that fetch it. Prefect loads what a
deployment names in two places: in the run, and in the worker, for the hooks of a run that crashed or was cancelled.
"""

from __future__ import annotations

import asyncio
import runpy
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tasks.kernel.errors import TerminalError

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun

KNOWN_FLOWS = frozenset(
    {
        "flows.database.drill.drill",
        "flows.promotion.flow.promote",
        "flows.rules.flow.protect",
        "flows.drift.flow.reconcile",
        "flows.promotion.redeploy.redeploy",
        "flows.rules.relax.relax",
        "flows.rollback.flow.rollback",
        "flows.pull_requests.flow.tend",
        "flows.watch.flow.watch",
    }
)
_ENGINE = "prefect.engine"
_LOADER = "load_flow_from_flow_run"


def check_deployment(name: str, entrypoint: str | None, *, pulls: bool, further: str = "") -> None:
    """Refuse a deployment that is none of Sluice's.

    Args:
        name: Its name.
        entrypoint: What it runs.
        pulls: Whether it has steps that fetch code.
        further: Flows of the user's own that may run as well, separated by commas.

    Raises:
        TerminalError: It names another flow, or fetches code.
    """
    allowed = KNOWN_FLOWS | {one.strip() for one in further.split(",")}
    if not entrypoint or entrypoint not in allowed:
        raise TerminalError(
            f"deployment {name} runs {entrypoint or 'nothing'}, which is not a flow of Sluice",
            "run flows of your own from a work pool of their own, or name it in SLUICE_FURTHER_FLOWS",
        )
    if pulls:
        raise TerminalError(
            f"deployment {name} has pull steps, and Sluice does not fetch code",
            "deploy it again with `sluice up`",
        )


async def load_known_flow(
    flow_run: FlowRun, *, use_placeholder_flow: bool = True, **_storage: object
) -> Flow[..., Any]:
    """Load the flow of a run, as Prefect does, where it is one of Sluice's.

    Args:
        flow_run: The run.
        use_placeholder_flow: Whether a flow that cannot be imported is stood in for.

    Raises:
        TerminalError: Its deployment is none of Sluice's. Nothing was imported or executed.
    """
    from prefect.client.orchestration import get_client
    from prefect.flows import load_flow_from_entrypoint

    from blocks.settings import Settings

    if flow_run.deployment_id is None:
        raise TerminalError(f"run {flow_run.name} has no deployment", "start a run of a deployment")
    async with get_client() as client:
        deployment = await client.read_deployment(flow_run.deployment_id)
    entrypoint = deployment.entrypoint
    check_deployment(
        deployment.name, entrypoint, pulls=bool(deployment.pull_steps), further=Settings().further_flows
    )
    return await asyncio.to_thread(
        load_flow_from_entrypoint, str(entrypoint), use_placeholder_flow=use_placeholder_flow
    )


def load_known_flows_only(*modules: ModuleType) -> None:
    """Have parts of Prefect load flows by `load_known_flow`.

    Args:
        modules: The engine in a run; what carries out runs in the worker.
    """
    for module in modules:
        # Where it is not found, nothing would be refused.
        getattr(module, _LOADER)
        setattr(module, _LOADER, load_known_flow)


if __name__ == "__main__":
    from prefect import flow_engine

    load_known_flows_only(flow_engine)
    sys.modules.pop(_ENGINE, None)
    runpy.run_module(_ENGINE, run_name="__main__", alter_sys=True)
