"""Verdicts against a real PostgreSQL: what is called harmless breaks nothing that runs, and what is not does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.flows.domain.database.verdicts.corpus import CASES, FOLDER, Case
from tests.lab.postgres import Postgres

BASE = (FOLDER / "base.sql").read_text("utf-8")
RUNNING = tuple(
    line for line in (FOLDER / "running.sql").read_text("utf-8").splitlines() if not line.startswith("--")
)
HARMLESS = [case for case in CASES if case.live and not case.risk.breaks]
BREAKING = [case for case in CASES if case.live and case.risk.breaks and case.breaks]


@contextmanager
def database(server: Postgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.create_database().replace("+psycopg", ""), autocommit=True) as opened:
        opened.execute(BASE.encode())
        yield opened


@pytest.fixture(scope="module")
def shared(postgres_server: Postgres) -> Iterator[psycopg.Connection]:
    """A database of the running release's shape; every test takes back what it did."""
    with database(postgres_server) as opened:
        yield opened


@contextmanager
def migrated(shared: psycopg.Connection, server: Postgres, case: Case) -> Iterator[psycopg.Connection]:
    """Yield a database after the migration; one of its own where that cannot be taken back."""
    if case.alone:
        with database(server) as own:
            own.execute(case.sql.encode())
            yield own
        return
    with shared.transaction(force_rollback=True):
        shared.execute(case.sql.encode())
        yield shared


def tried(connection: psycopg.Connection, statement: str) -> object:
    """Return a statement's rows, or why it is refused, and take back what it did."""
    try:
        with connection.transaction(force_rollback=True):
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else cursor.rowcount
    except psycopg.Error as error:
        return error.sqlstate


@pytest.mark.parametrize("case", HARMLESS, ids=lambda case: case.name)
def test_running_release_works_on_after_what_does_not_break_it(
    shared: psycopg.Connection, postgres_server: Postgres, case: Case
) -> None:
    with migrated(shared, postgres_server, case) as connection:
        for statement in RUNNING:
            connection.execute(statement.encode())


@pytest.mark.parametrize("case", BREAKING, ids=lambda case: case.name)
def test_running_release_meets_something_else_after_what_breaks_it(
    shared: psycopg.Connection, postgres_server: Postgres, case: Case
) -> None:
    before = [tried(shared, statement) for statement in case.breaks]
    assert not any(isinstance(outcome, str) for outcome in before), "the running release can do this now"
    with migrated(shared, postgres_server, case) as connection:
        assert [tried(connection, statement) for statement in case.breaks] != before
