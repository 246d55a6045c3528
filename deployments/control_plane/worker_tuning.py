"""What Prefect has no setting for, and a worker that runs go back to needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import WorkerFlowRunResponse
    from prefect.workers.base import BaseWorker


def let_runs_come_back() -> None:
    """Let a run that is due again wait until its process before has ended.

    A run that was answered or retried at once is due again while the worker still reaps the process that suspended or
    was killed. A worker with a limit would count the run twice, which its limiter refuses with an error that ends the
    worker, and every other run it carries. Left out of this look, the run is there in the next.
    """
    from prefect.workers.base import BaseWorker

    submit = BaseWorker._submit_scheduled_flow_runs

    async def submit_the_others(
        self: BaseWorker[Any, Any, Any], flow_run_response: list[WorkerFlowRunResponse]
    ) -> list[FlowRun]:
        still_there = self._limiter.statistics().borrowers if self._limiter is not None else ()
        due = [entry for entry in flow_run_response if entry.flow_run.id not in still_there]
        return await submit(self, due)

    setattr(BaseWorker, submit.__name__, submit_the_others)
