"""Revision and counters, read from a real PostgreSQL as a backup reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tasks.database.commands import pg
from tasks.database.commands.dump_facts import DUMP_FACTS, Counters, parse_dump_facts
from tests.lab.postgres import Postgres
from tests.tasks.database.commands.test_pg import inside, query


@pytest.fixture
def database(postgres_server: Postgres) -> Iterator[str]:
    name = f"facts_{uuid4().hex[:8]}"
    query(postgres_server, "", f"create database {name}")
    yield name
    inside(postgres_server, pg.drop(name))


def read(server: Postgres, database: str) -> tuple[str | None, Counters]:
    done = inside(server, pg.psql(database=database), DUMP_FACTS.encode())
    assert done.returncode == 0, done.stderr
    return parse_dump_facts(done.stdout.decode())


def test_an_empty_database_has_neither(postgres_server: Postgres, database: str) -> None:
    assert read(postgres_server, database) == (None, {})


def test_revision_and_counters(postgres_server: Postgres, database: str) -> None:
    sql = """
        create table alembic_version (version_num text);
        insert into alembic_version values ('b2'), ('a1');
        create schema "it's";
        create table "it's"."a	b
c" (n int);
        create table orders (n int);
        insert into orders select generate_series(1, 10);
        update orders set n = 0 where n > 7;
        delete from orders where n = 1;
    """
    query(postgres_server, database, sql)
    expected = {
        "public.alembic_version": (2, 0, 0),
        "public.orders": (10, 3, 1),
        '"it\'s"."a\tb\nc"': (0, 0, 0),
    }
    until = time.monotonic() + 60
    while (found := read(postgres_server, database)) != ("a1,b2", expected) and time.monotonic() < until:
        time.sleep(0.5)
    assert found == ("a1,b2", expected)
