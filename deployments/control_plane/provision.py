"""Makes a Prefect server ready for Sluice: work pool, block types, deployments, and an end to silent runs.

Run as a module of its own while the server starts: importing Prefect and the flows takes as long as the
server's start, and the memory it costs is given back.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import deployments.control_plane.garbage  # noqa: F401 - before what is imported next
from deployments.control_plane.environment import JOB_TEMPLATE, POOL, POOL_TYPE
from deployments.control_plane.login import CLIENT, keep_out_of_logs
from deployments.control_plane.prefect_api import PrefectApi

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient


def register_blocks() -> list[str]:
    """Register every block type of `blocks.catalog` with the server `PREFECT_API_URL` names.

    Returns:
        The names of the block types, sorted.
    """
    from prefect.blocks.core import Block

    from blocks import catalog

    classes = {
        member
        for member in vars(catalog).values()
        if isinstance(member, type) and issubclass(member, Block) and member is not Block
    }

    async def register() -> None:
        for block in sorted(classes, key=lambda one: one.__name__):
            await block.aregister_type_and_schema()

    asyncio.run(register())
    return sorted(block.get_block_type_name() for block in classes)


def deploy_all(prefect_file: Path) -> None:
    """Deploy every entry of a `prefect.yaml`, with Prefect's own command.

    Raises:
        SystemExit: An entry could not be deployed; Prefect has said which.
    """
    from prefect.cli import app

    before = sys.argv
    sys.argv = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(prefect_file)]
    try:
        app()
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        sys.argv = before


async def ensure_work_pool(client: PrefectClient) -> None:
    """Create the work pool where it is missing.

    Raises:
        SystemExit: There is one of another type, whose workers start what a run names.
    """
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


def _wait_for_server(seconds: float) -> None:
    """Wait without Prefect's client, which pauses ever longer between its tries."""
    api = PrefectApi(os.environ["PREFECT_API_URL"], tries=1)
    deadline = time.monotonic() + seconds
    while not api.healthy():
        if time.monotonic() >= deadline:
            raise SystemExit(f"Prefect's server at {api.url} did not answer within {seconds:.0f} seconds")
        time.sleep(0.1)


async def _prepare() -> None:
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        await ensure_work_pool(client)
        say(f"work pool {POOL}")


async def _move() -> None:
    from prefect.client.orchestration import get_client

    from deployments.control_plane.earlier_pool import leave_earlier_pool

    async with get_client() as client:
        for line in await leave_earlier_pool(client):
            say(line)


def _import_flows() -> None:
    """Import what deploying needs while the server still starts."""
    import blocks.catalog  # noqa: F401


def say(line: str) -> None:
    """Tell the starting command how far this is."""
    sys.stdout.write(f"ready: {line}\n")
    sys.stdout.flush()


def main() -> None:
    """Wait for the server, then bring to it what Sluice needs."""
    parser = argparse.ArgumentParser(description="Make a Prefect server ready for Sluice.")
    parser.add_argument("--prefect-file", type=Path, required=True)
    parser.add_argument("--wait-seconds", type=float, default=600.0)
    options = parser.parse_args()
    keep_out_of_logs(os.environ.get(CLIENT, ""))
    _import_flows()
    _wait_for_server(options.wait_seconds)
    asyncio.run(_prepare())
    say(f"{len(register_blocks())} block types")
    deploy_all(options.prefect_file)
    asyncio.run(_move())
    say("deployments")


if __name__ == "__main__":
    main()
