"""The ledger on each database: a SQLite file, and a real PostgreSQL."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from tasks.ledger.models import Base
from tasks.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKENDS = ("sqlite", "postgresql")


@contextmanager
def fresh_database(server: URL) -> Iterator[str]:
    """Make an empty database on a PostgreSQL server, and drop it at the end."""
    name = f"ledger_{uuid.uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture(scope="session")
def postgresql() -> URL:
    """A PostgreSQL server whose user may make databases."""
    return make_url(os.environ["PGURL"])


@pytest.fixture
def postgresql_url(postgresql: URL) -> Iterator[str]:
    """An empty database of its own on PostgreSQL."""
    with fresh_database(postgresql) as url:
        yield url


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
def postgresql_ledger(postgresql: URL) -> Iterator[tuple[str, Ledger]]:
    """A ledger on PostgreSQL, shared likewise: making a database takes longer than a test."""
    with fresh_database(postgresql) as url, Ledger.open(url) as opened:
        yield url, opened


@pytest.fixture(params=BACKENDS)
def shared(request: pytest.FixtureRequest) -> tuple[str, Ledger]:
    """URL and ledger on each database in turn, without any row."""
    url, opened = request.getfixturevalue(f"{request.param}_ledger")
    with opened._database.writing() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
    return url, opened


@pytest.fixture
def ledger(shared: tuple[str, Ledger]) -> Ledger:
    """An open ledger without any row, on each database in turn."""
    return shared[1]
