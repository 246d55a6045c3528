"""What is brought to a server, and taken from an earlier version's pool, on a client that only remembers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from deployments.control_plane.earlier_pool import leave_earlier_pool
from deployments.control_plane.environment import EARLIER_POOL, POOL, POOL_TYPE
from deployments.control_plane.provision import ensure_work_pool


class Client:
    """Prefect's client, of a server with some pools."""

    def __init__(self, pools: dict[str, str], *entrypoints: str, runs: int = 0) -> None:
        self.pools = pools
        self.entrypoints = entrypoints
        self.runs = runs
        self.done: list[tuple[str, Any]] = []

    async def read_work_pool(self, name: str) -> object:
        if name not in self.pools:
            raise ObjectNotFound(ValueError(name))
        return SimpleNamespace(type=self.pools[name])

    async def create_work_pool(self, pool: Any) -> None:
        if pool.name in self.pools:
            raise ObjectAlreadyExists(ValueError(pool.name))
        self.pools[pool.name] = pool.type

    async def read_deployments(self, **_: object) -> list[object]:
        return [SimpleNamespace(id=one, name="prod", entrypoint=one) for one in self.entrypoints]

    async def update_deployment(self, deployment: str, update: Any) -> None:
        self.done.append((deployment, (update.work_pool_name, update.entrypoint, update.job_variables)))

    async def delete_deployment(self, deployment: str) -> None:
        self.done.append((deployment, "deleted"))

    async def delete_work_pool(self, name: str) -> None:
        del self.pools[name]

    async def read_flow_runs(self, **_: object) -> list[object]:
        return [object()] * self.runs


def left(client: Client) -> list[str]:
    return asyncio.run(leave_earlier_pool(cast("PrefectClient", client)))


def ensured(client: Client) -> dict[str, str]:
    asyncio.run(ensure_work_pool(cast("PrefectClient", client)))
    return client.pools


def test_a_pool_is_made_once() -> None:
    assert ensured(Client({})) == {POOL: POOL_TYPE}
    assert ensured(Client({POOL: POOL_TYPE})) == {POOL: POOL_TYPE}


def test_a_pool_whose_workers_start_what_a_run_names_is_refused() -> None:
    with pytest.raises(
        SystemExit, match=f"{POOL} is of type process, not {POOL_TYPE} — `prefect work-pool delete"
    ):
        ensured(Client({POOL: "process"}))


def test_without_an_earlier_pool_nothing_is_done() -> None:
    assert left(Client({POOL: POOL_TYPE})) == []


def test_deployments_are_moved_under_their_new_names_and_the_empty_pool_goes() -> None:
    client = Client({EARLIER_POOL: "process"}, "flows.promote.promote", "flows.gone.gone")
    said = left(client)
    assert client.done == [
        ("flows.promote.promote", (POOL, "flows.promotion.flow.promote", {})),
        ("flows.gone.gone", "deleted"),
    ]
    assert [line.rpartition(": ")[2] for line in said[:2]] == ["moved", "removed"]
    assert said[2] == f"the earlier work pool {EARLIER_POOL} is empty and was removed"
    assert EARLIER_POOL not in client.pools


@pytest.mark.parametrize(("entrypoint", "runs"), [("mine.flow", 0), ("flows.promote.promote", 1)])
def test_the_pool_stays_for_others_deployments_and_for_runs_that_may_go_on(
    entrypoint: str, runs: int
) -> None:
    client = Client({EARLIER_POOL: "process"}, entrypoint, runs=runs)
    assert len(left(client)) == 1
    assert EARLIER_POOL in client.pools
