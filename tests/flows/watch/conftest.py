"""A Prefect server without a worker for the tests of the watch, and a world for each of them."""

from __future__ import annotations

import pytest
from prefect import get_client

from flows.rollback.flow import rollback
from flows.watch.flow import watch
from tasks.ledger.store import Ledger
from tests.flows.watch.world import World
from tests.lab.plane import LabPlane


@pytest.fixture(scope="module")
def deployed(prefect_server: LabPlane) -> None:
    """The deployments that a watch and a rollback have."""
    del prefect_server
    with get_client(sync_client=True) as client:
        client.create_deployment(client.create_flow(watch), name="all")
        client.create_deployment(client.create_flow(rollback), name="prod")


@pytest.fixture
def world(deployed: None, ledger: Ledger) -> World:
    """An empty ledger, and a pipeline of a name of its own."""
    return World(ledger)
