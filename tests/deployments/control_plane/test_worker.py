"""Which runs the worker takes, and what becomes of deployments in the pool of an earlier version."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import anyio
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.workers.base import BaseWorker

from deployments.control_plane.earlier_pool import Fate, fate_of
from deployments.control_plane.environment import EARLIER_POOL, POOL, POOL_TYPE
from deployments.control_plane.known_flows import KNOWN_FLOWS, RENAMED_FLOWS, check_deployment
from deployments.control_plane.worker import SluiceWorker
from tasks.kernel.errors import TerminalError


class Taking(SluiceWorker):
    """A worker that carries runs for ever, and is told by a test what is due."""

    type = "taking"
    due: tuple[FlowRun, ...] = ()

    async def _due(self) -> list[FlowRun]:
        return list(self.due)

    async def _carry(self, flow_run: FlowRun) -> None:
        await anyio.sleep_forever()


def taken(looks: list[list[UUID]], ended: UUID | None = None) -> list[list[UUID]]:
    """Which runs a worker with two places takes in each of some looks; a process ends after the first."""
    worker = Taking(work_pool_name=POOL, limit=2)

    async def play() -> list[list[UUID]]:
        found = []
        async with anyio.create_task_group() as group:
            worker._group = group
            for due in looks:
                worker.due = tuple(FlowRun(id=run, flow_id=uuid4()) for run in due)
                found.append([run.id for run in await worker.get_and_submit_flow_runs()])
                if ended is not None:
                    worker._carried.pop(ended, None)
            group.cancel_scope.cancel()
        return found

    return asyncio.run(play())


def test_it_takes_as_many_as_it_has_places_for() -> None:
    one, two, three = uuid4(), uuid4(), uuid4()
    assert taken([[one, two, three], [three]]) == [[one, two], []]
    assert taken([[one, two, three], [three]], ended=one) == [[one, two], [three]]


def test_a_run_that_is_due_again_waits_for_its_process_and_others_pass_it() -> None:
    again, other = uuid4(), uuid4()
    assert taken([[again], [again, other]]) == [[again], [other]]
    assert taken([[again], [again]], ended=again) == [[again], [again]]


class Server:
    """What the worker asks of Prefect's server, and how often it was asked what is due."""

    def __init__(self) -> None:
        self.scheduled: list[FlowRun] = []
        self.asked: list[str] = []

    async def read_flow_runs(self, **_: object) -> list[FlowRun]:
        return self.scheduled

    async def get_scheduled_flow_runs_for_work_pool(self, *, work_pool_name: str, **_: object) -> list[Any]:
        self.asked.append(work_pool_name)
        if work_pool_name == EARLIER_POOL:
            raise ObjectNotFound(ValueError("no such pool"))
        return [SimpleNamespace(flow_run=one) for one in self.scheduled]


def test_it_asks_what_is_due_when_something_is_and_the_earlier_pool_while_it_is_there() -> None:
    server, run = Server(), FlowRun(id=uuid4(), flow_id=uuid4())
    worker = SluiceWorker(work_pool_name=POOL)
    worker._client = cast("Any", server)

    async def play() -> None:
        assert await worker._due() == []
        assert await worker._due() == []
        assert server.asked == [POOL, EARLIER_POOL]
        server.scheduled = [run]
        assert await worker._due() == [run]
        assert server.asked[2:] == [POOL]

    asyncio.run(play())


def test_prefect_finds_the_worker_type_by_its_name() -> None:
    assert BaseWorker.get_worker_class_from_type(POOL_TYPE) is SluiceWorker


def test_its_pool_has_nothing_to_set() -> None:
    assert SluiceWorker.get_default_base_job_template()["variables"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("entrypoint", "fate"),
    [
        *((one, Fate.MOVED) for one in (*sorted(KNOWN_FLOWS), *sorted(RENAMED_FLOWS), "mine.flow")),
        ("flows.drafts.flow.draft", Fate.REMOVED),
        ("yours.flow", Fate.LEFT),
        ("evil.py:evil", Fate.LEFT),
        (None, Fate.LEFT),
    ],
)
def test_what_becomes_of_a_deployment_of_an_earlier_version(entrypoint: str | None, fate: Fate) -> None:
    assert fate_of(entrypoint, {"mine.flow"}) is fate


def test_earlier_names_are_those_of_flows_that_are_there() -> None:
    assert set(RENAMED_FLOWS.values()) == KNOWN_FLOWS
    assert not RENAMED_FLOWS.keys() & KNOWN_FLOWS


@pytest.mark.parametrize("entrypoint", ["", "mine.flow", "flows.promotion.flow:promote", None])
def test_no_other_flow_is_loaded(entrypoint: str | None) -> None:
    with pytest.raises(TerminalError, match="not a flow of Sluice"):
        check_deployment("trial", entrypoint, pulls=False)
    with pytest.raises(TerminalError, match="has pull steps"):
        check_deployment("trial", "flows.watch.flow.watch", pulls=True)
