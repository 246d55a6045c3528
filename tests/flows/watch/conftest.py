"""A Prefect server without a worker for the tests of the watch, and a world for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import get_client

from flows.rollback.flow import rollback
from flows.watch.flow import watch
from tasks.ledger.store import Ledger
from tests.flows.watch.world import World
from tests.lab.control import open_server


@pytest.fixture(scope="package")
def server() -> Iterator[None]:
    """Prefect's server as `sluice up` starts it: without a worker runs stay as the tests put them."""
    with open_server():
        with get_client(sync_client=True) as client:
            client.create_deployment(client.create_flow(watch), name="all")
            client.create_deployment(client.create_flow(rollback), name="prod")
        yield


@pytest.fixture
def world(server: None, tmp_path: Path) -> Iterator[World]:
    """An empty ledger, and a pipeline of a name of its own."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield World(opened)
