"""The ledger on each database: a SQLite file, and a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.ledger.models import METADATA
from tasks.ledger.store import Ledger
from tests.lab.fixtures import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.postgres import Postgres

__all__ = ["postgres_server"]

BACKENDS = ("sqlite", "postgresql")


@pytest.fixture
def postgresql_url(postgres_server: Postgres) -> str:
    """An empty database of its own on PostgreSQL."""
    return postgres_server.create_database()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file that does not exist yet, in a folder that does not either."""
    return f"sqlite:///{tmp_path / 'home' / 'ledger.db'}"


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest) -> str:
    """Each database in turn, with no table in it."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(scope="session")
def sqlite_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Ledger]]:
    """A ledger in a file, shared by the tests that write rows only."""
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"
    with Ledger.open(url) as opened:
        yield url, opened


@pytest.fixture(scope="session")
def postgresql_ledger(postgres_server: Postgres) -> Iterator[tuple[str, Ledger]]:
    """A ledger on PostgreSQL, shared likewise: making a database takes longer than a test."""
    url = postgres_server.create_database()
    with Ledger.open(url) as opened:
        yield url, opened


@pytest.fixture(params=BACKENDS)
def shared(request: pytest.FixtureRequest) -> tuple[str, Ledger]:
    """URL and ledger on each database in turn, without any row."""
    url, opened = request.getfixturevalue(f"{request.param}_ledger")
    with opened._database.writing() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(table.delete())
    return url, opened


@pytest.fixture
def ledger(shared: tuple[str, Ledger]) -> Ledger:
    """An open ledger without any row, on each database in turn."""
    return shared[1]
