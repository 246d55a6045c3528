"""Prefect's worker of the type `sluice`: the runs of a work pool in which there is nothing to set.

Prefect's other workers take command, environment and folder from the pool, the deployment and the run. This one reads
none of them: a run is a copy of the fork server, and carries out a flow of Sluice's or nothing.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import Abort, ObjectNotFound
from prefect.states import Cancelled, Crashed, Pending
from prefect.utilities.engine import propose_state
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from blocks.settings import Settings
from deployments.control_plane.environment import EARLIER_POOL, JOB_TEMPLATE, POOL, POOL_TYPE, run_file
from deployments.control_plane.run_processes import RunProcess, run_processes

if TYPE_CHECKING:
    from uuid import UUID

    from anyio.abc import TaskGroup, TaskStatus
    from prefect.client.schemas.objects import FlowRun, State

_GRACE_SECONDS = 30.0
_CANCELLED_EVERY_SECONDS = 3.0
_ASKED_EVERY_SECONDS = 15.0
_DEFAULT_LIMIT = 4


class RunResult(BaseWorkerResult):
    """How the process of a run ended."""


class SluiceWorker(BaseWorker[BaseJobConfiguration, BaseVariables, RunResult]):
    """Carries as many processes of runs at once as its limit says, and leaves the others with the server."""

    type = POOL_TYPE
    job_configuration = BaseJobConfiguration
    _display_name = "Sluice"
    _description = (
        "Runs Sluice's flows, each as a copy of a process that has imported everything. Nothing can be set."
    )
    _documentation_url = "https://docs.prefect.io/v3/concepts/work-pools"
    _logo_url = ""

    def __init__(self, work_pool_name: str, *, limit: int | None = None, **options: Any) -> None:  # noqa: ANN401
        # Prefect's own limit counts a run that is due again twice, and ends the worker.
        super().__init__(work_pool_name, **options)
        self._pools = [work_pool_name, *([EARLIER_POOL] if work_pool_name == POOL else ())]
        self._places = limit or _DEFAULT_LIMIT
        self._home = Settings().home
        self._processes = run_processes()
        self._group: TaskGroup | None = None
        self._carried: dict[UUID, RunProcess | None] = {}
        self._ended_for: set[UUID] = set()
        self._looked_for_cancelled = self._asked = -_ASKED_EVERY_SECONDS

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        """Return the template of a pool that is made for such a worker: there is nothing in it."""
        return JOB_TEMPLATE

    async def setup(self) -> None:
        """Get ready to carry runs."""
        await super().setup()
        self._group = await anyio.create_task_group().__aenter__()

    async def teardown(self, *exc_info: Any) -> None:  # noqa: ANN401
        """Wait for the runs, or end them where the worker is told to end."""
        try:
            if self._group is not None:
                await self._group.__aexit__(*exc_info)
        finally:
            self._group = None
            await super().teardown(*exc_info)

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take the runs that are due, as far as there are places; one whose process is still there waits for it."""
        await self._end_cancelled()
        taken: list[FlowRun] = []
        if self._group is not None and len(self._carried) < self._places:
            for flow_run in await self._due():
                if flow_run.id not in self._carried and len(self._carried) < self._places:
                    self._carried[flow_run.id] = None
                    self._group.start_soon(self._carry, flow_run)
                    taken.append(flow_run)
        return taken

    async def _due(self) -> list[FlowRun]:
        """Ask for what is due, but only now and then where nothing is.

        The server writes down of each such question that pool and deployments are looked after, from which it draws
        conclusions after a minute. The question whether anything is scheduled leaves no trace.
        """
        now = datetime.now(UTC)
        lately = anyio.current_time() - self._asked < _ASKED_EVERY_SECONDS
        if lately and not await self._is_something_due(now):
            return []
        self._asked = anyio.current_time()
        due: list[FlowRun] = []
        for pool in tuple(self._pools):
            try:
                answer = await self.client.get_scheduled_flow_runs_for_work_pool(
                    work_pool_name=pool, scheduled_before=now
                )
            except ObjectNotFound:
                # Its own is made with the next sign of life; the earlier one does not come back.
                if pool == EARLIER_POOL:
                    self._pools.remove(pool)
            else:
                due += [one.flow_run for one in answer]
        return due

    async def _is_something_due(self, now: datetime) -> bool:
        start = FlowRunFilterNextScheduledStartTime(before_=now)
        wanted = FlowRunFilter(state=_in_state(StateType.SCHEDULED), next_scheduled_start_time=start)
        pools = WorkPoolFilter(name=WorkPoolFilterName(any_=self._pools))
        return bool(await self.client.read_flow_runs(flow_run_filter=wanted, work_pool_filter=pools, limit=1))

    async def _carry(self, flow_run: FlowRun) -> None:
        """Carry a run from taking it to its end; nothing that goes wrong with one run ends the worker."""
        logger = self.get_flow_run_logger(flow_run)
        try:
            state = await propose_state(self.client, Pending(), flow_run_id=flow_run.id)
            if state.is_pending():
                await self.run(flow_run, self.job_configuration())
        except Abort as refused:
            logger.info("the server does not let it start: %s", refused)
        except Exception:
            logger.exception("its process could not be started or watched")
        finally:
            del self._carried[flow_run.id]

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,
        task_status: TaskStatus[int] | None = None,
    ) -> RunResult:
        """Start a run's process, wait for its end, and tell the server of an end that the run could not tell."""
        del configuration
        with self._folder() as folder:
            try:
                process = await self._processes.start(str(flow_run.id), Path(folder))
            except OSError as error:
                await self._tell(flow_run.id, Crashed(message=f"Its process could not be started: {error}"))
                raise
            self._carried[flow_run.id] = process
            written = run_file(self._home, str(flow_run.id))
            process.running.save(written)
            if task_status is not None:
                task_status.started(process.running.pid)
            try:
                code = await process.ended
            except anyio.get_cancelled_exc_class():
                process.running.send(signal.SIGTERM)
                raise
            finally:
                written.unlink(missing_ok=True)
        if flow_run.id in self._ended_for:
            self._ended_for.discard(flow_run.id)
            await self._tell(flow_run.id, Cancelled(message="Its process was ended."))
        elif code:
            why = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
            await self._tell(flow_run.id, Crashed(message=f"Its process {why}."))
        return RunResult(identifier=str(process.running.pid), status_code=code)

    def _folder(self) -> AbstractContextManager[str]:
        (self._home / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="run-", dir=self._home / "tmp", ignore_cleanup_errors=True)

    async def _tell(self, run: UUID, end: State[Any]) -> None:
        """Say how a run ended, unless it has said so itself or is to go on already."""
        now = (await self.client.read_flow_run(run)).state
        unsaid = now is None or now.is_running() or now.is_pending() or now.is_cancelling()
        # Told to end, it takes that for a crash.
        if unsaid or (end.is_cancelled() and now is not None and now.is_crashed()):
            await self.client.set_flow_run_state(run, end, force=True)

    async def _end_cancelled(self) -> None:
        carried = [run for run, process in self._carried.items() if process is not None]
        now = anyio.current_time()
        if not carried or now - self._looked_for_cancelled < _CANCELLED_EVERY_SECONDS:
            return
        self._looked_for_cancelled = now
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=carried), state=_in_state(StateType.CANCELLING))
        for flow_run in await self.client.read_flow_runs(flow_run_filter=wanted):
            if flow_run.id not in self._ended_for and self._group is not None:
                self._ended_for.add(flow_run.id)
                self._group.start_soon(self._end, flow_run.id)

    async def _end(self, run: UUID) -> None:
        process = self._carried.get(run)
        if process is None:
            return
        process.running.send(signal.SIGTERM)
        ended, _ = await asyncio.wait([process.ended], timeout=_GRACE_SECONDS)
        if not ended:
            process.running.send(signal.SIGKILL)


def _in_state(kind: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=[kind]))
