"""Fixtures that give tests the lab; a conftest imports them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.lab.postgres import Postgres, throwaway_postgres
from tests.lab.server import Server
from tests.lab.settings import Settings


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab; it is left as it was found, so a developer's running lab makes each test run start at once."""
    was_up = Settings().description.exists()
    running = Lab.up()
    yield running
    if not was_up:
        running.down()


@pytest.fixture
def clean_servers(lab: Lab) -> Iterator[dict[str, Server]]:
    """The lab's servers by name, fresh and reachable; faults the test makes are taken back after it."""
    lab.reset()
    yield lab.servers
    lab.reset()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole session."""
    with throwaway_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> str:
    """The SQLAlchemy URL of an empty PostgreSQL database."""
    return postgres_server.create_database()
