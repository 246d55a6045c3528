"""Makes a Prefect server ready for Sluice: work pool, block types, deployments, and an end to silent runs.

Run as a module of its own while the server starts: importing Prefect and the flows takes as long as the
server's start, and the memory it costs is given back.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import deployments.control_plane.garbage  # noqa: F401 - before what is imported next
from deployments.control_plane.environment import JOB_TEMPLATE, POOL, POOL_TYPE, PREFECT_FILE
from deployments.control_plane.login import CLIENT, keep_out_of_logs
from deployments.control_plane.prefect_api import PrefectApi
from tasks.kernel.poll import poll

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

_SERVER_SECONDS = 600.0
_POLL_SECONDS = 0.1


async def register_blocks() -> int:
    """Register every block type of `blocks.catalog` with the server `PREFECT_API_URL` names. Returns their number."""
    from prefect.blocks.core import Block

    from blocks import catalog

    classes = {
        member
        for _, member in inspect.getmembers(catalog, inspect.isclass)
        if issubclass(member, Block) and member is not Block
    }
    for block in sorted(classes, key=lambda one: one.__name__):
        await block.aregister_type_and_schema()
    return len(classes)


def deploy_all() -> None:
    """Deploy every entry of `prefect.yaml`, with Prefect's own command, which says what could not be."""
    from prefect.cli import app

    sys.argv = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_FILE)]
    try:
        app()
    except SystemExit as ended:
        if ended.code:
            raise


async def ensure_work_pool(client: PrefectClient) -> None:
    """Create the work pool where it is missing; end where there is one whose workers start what a run names."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    pool = WorkPoolCreate(name=POOL, type=POOL_TYPE, base_job_template=JOB_TEMPLATE)
    with suppress(ObjectAlreadyExists):
        await client.create_work_pool(pool)
    there = await client.read_work_pool(POOL)
    if there.type != POOL_TYPE:
        raise SystemExit(
            f"the work pool {POOL} is of type {there.type}, not {POOL_TYPE} — `prefect work-pool delete {POOL}`, "
            "then `sluice up`"
        )


def _wait_for_server() -> None:
    """Wait without Prefect's client, which pauses ever longer between its tries."""
    api = PrefectApi(os.environ["PREFECT_API_URL"], tries=1)
    if not poll(api.healthy, seconds=_SERVER_SECONDS, every=_POLL_SECONDS):
        raise SystemExit(f"Prefect's server at {api.url} did not answer within {_SERVER_SECONDS:.0f} seconds")


async def _prepare() -> None:
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        await ensure_work_pool(client)
    say(f"work pool {POOL}")
    say(f"{await register_blocks()} block types")


async def _move() -> None:
    from prefect.client.orchestration import get_client

    from deployments.control_plane.earlier_pool import leave_earlier_pool

    async with get_client() as client:
        for line in await leave_earlier_pool(client):
            say(line)


def say(line: str) -> None:
    """Tell the starting command how far this is."""
    sys.stdout.write(f"ready: {line}\n")
    sys.stdout.flush()


def main() -> None:
    """Wait for the server, then bring to it what Sluice needs."""
    keep_out_of_logs(os.environ.get(CLIENT, ""))
    # What deploying needs is imported while the server still starts.
    import blocks.catalog  # noqa: F401

    _wait_for_server()
    asyncio.run(_prepare())
    deploy_all()
    asyncio.run(_move())
    say("deployments")


if __name__ == "__main__":
    main()
