"""Moves what an earlier version left in its pool of process workers: a pool's type cannot be changed.

A run stays in the pool in which it was made, so the worker takes the runs of the earlier pool too, for as long as it is
there: runs that wait for an approval, and those that somebody retries.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from blocks.settings import Settings
from deployments.control_plane.environment import EARLIER_POOL, POOL
from deployments.control_plane.known_flows import KNOWN_FLOWS, RENAMED_FLOWS, further_flows

if TYPE_CHECKING:
    from collections.abc import Collection

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.filters import FlowRunFilterState

# A run that ended otherwise than well can be retried for as long.
_RETRIED_DAYS = 30
_OWN_PACKAGE = "flows."


class Fate(Enum):
    """What becomes of a deployment in the earlier pool."""

    MOVED = "moved"
    REMOVED = "removed"
    LEFT = "left"


def fate_of(entrypoint: str | None, further: Collection[str]) -> Fate:
    """Decide on a deployment: nothing runs what is neither Sluice's nor named in SLUICE_FURTHER_FLOWS."""
    if entrypoint in KNOWN_FLOWS or entrypoint in RENAMED_FLOWS or entrypoint in further:
        return Fate.MOVED
    return Fate.REMOVED if (entrypoint or "").startswith(_OWN_PACKAGE) else Fate.LEFT


async def leave_earlier_pool(client: PrefectClient) -> list[str]:
    """Move the deployments of the earlier pool, remove those that no longer are, and the pool once nobody needs it.

    Returns:
        A line for a person on each thing that was done or has to be.
    """
    from prefect.client.schemas.actions import DeploymentUpdate
    from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
    from prefect.exceptions import ObjectNotFound

    try:
        await client.read_work_pool(EARLIER_POOL)
    except ObjectNotFound:
        return []
    said: list[str] = []
    further = further_flows(Settings().further_flows)
    wanted = WorkPoolFilter(name=WorkPoolFilterName(any_=[EARLIER_POOL]))
    left = False
    for one in await client.read_deployments(work_pool_filter=wanted):
        fate = fate_of(one.entrypoint, further)
        if fate is Fate.MOVED:
            entrypoint = RENAMED_FLOWS.get(str(one.entrypoint), one.entrypoint)
            await client.update_deployment(
                one.id, DeploymentUpdate(work_pool_name=POOL, entrypoint=entrypoint, job_variables={})
            )
        elif fate is Fate.REMOVED:
            await client.delete_deployment(one.id)
        left = left or fate is Fate.LEFT
        said.append(f"deployment {one.name} of {one.entrypoint} in the earlier work pool: {fate.value}")
    if not left and not await _is_needed(client):
        await client.delete_work_pool(EARLIER_POOL)
        said.append(f"the earlier work pool {EARLIER_POOL} is empty and was removed")
    return said


async def _is_needed(client: PrefectClient) -> bool:
    """Say whether a run of the earlier pool may still go on: it waits, or may be retried."""
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterExpectedStartTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
        WorkPoolFilter,
        WorkPoolFilterName,
    )
    from prefect.client.schemas.objects import TERMINAL_STATES, StateType

    def other_than(states: Collection[StateType]) -> FlowRunFilterState:
        return FlowRunFilterState(type=FlowRunFilterStateType(not_any_=list(states)))

    since = FlowRunFilterExpectedStartTime(after_=datetime.now(UTC) - timedelta(days=_RETRIED_DAYS))
    here = WorkPoolFilter(name=WorkPoolFilterName(any_=[EARLIER_POOL]))
    for wanted in (
        FlowRunFilter(state=other_than(TERMINAL_STATES)),
        FlowRunFilter(state=other_than({StateType.COMPLETED}), expected_start_time=since),
    ):
        if await client.read_flow_runs(flow_run_filter=wanted, work_pool_filter=here, limit=1):
            return True
    return False
