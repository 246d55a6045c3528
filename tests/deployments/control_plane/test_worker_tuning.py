"""What is changed in Prefect's worker before it starts."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import anyio
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.workers.base import BaseWorker
from prefect.workers.process import ProcessWorker

from deployments.control_plane.worker_tuning import let_runs_come_back


class Started(ProcessWorker):
    """A worker that writes down which runs it would start."""

    type = "written-down"

    async def _submit_run(self, flow_run: FlowRun) -> None:
        self.started: list[UUID] = [*getattr(self, "started", []), flow_run.id]
        self._submitting_flow_run_ids.remove(flow_run.id)


async def due(*runs: UUID, carried: UUID) -> list[UUID]:
    """Which of the runs that are due a worker starts that still carries the process of one."""
    worker = Started(work_pool_name="sluice", limit=4)
    worker._limiter = anyio.CapacityLimiter(4)
    worker._limiter.acquire_on_behalf_of_nowait(carried)
    entries = [
        WorkerFlowRunResponse(
            work_pool_id=uuid4(), work_queue_id=uuid4(), flow_run=FlowRun(id=run, flow_id=uuid4())
        )
        for run in runs
    ]
    # The runs' logs would go to a server, and one would be started for them.
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}):
        async with anyio.create_task_group() as group:
            worker._runs_task_group = group
            await worker._submit_scheduled_flow_runs(entries)
    return getattr(worker, "started", [])


def test_a_run_that_is_due_again_waits_for_its_process_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseWorker, "_submit_scheduled_flow_runs", BaseWorker._submit_scheduled_flow_runs)
    again, other = uuid4(), uuid4()
    with pytest.raises(BaseExceptionGroup) as raised:
        asyncio.run(due(again, other, carried=again))
    assert "already holding" in str(raised.value.exceptions[0])
    let_runs_come_back()
    assert asyncio.run(due(again, other, carried=again)) == [other]
    assert asyncio.run(due(again, other, carried=uuid4())) == [again, other]
