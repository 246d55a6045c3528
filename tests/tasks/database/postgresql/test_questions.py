"""Revision and counters, read from a real PostgreSQL as a backup reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tasks.database.commands.copied import parse_rows
from tasks.database.commands.drill import DatabaseFacts, TableFact
from tasks.database.engine.protocols import DumpFacts, Login
from tasks.database.postgresql.dumps import DATABASE_FACTS, DUMP_FACTS, SCHEMA
from tasks.database.postgresql.dumps import query as asking
from tests.lab.postgres import Postgres
from tests.tasks.database.postgresql.test_dumps import drop, inside, query


@pytest.fixture
def database(postgres_server: Postgres) -> Iterator[str]:
    name = f"facts_{uuid4().hex[:8]}"
    query(postgres_server, "", f"create database {name}")
    yield name
    drop(postgres_server, name)


def read(server: Postgres, database: str) -> DumpFacts:
    done = inside(server, asking(Login(database=database)), DUMP_FACTS.sql.encode())
    assert done.returncode == 0, done.stderr
    return DUMP_FACTS.read(parse_rows(done.stdout.decode()))


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


def test_rows_are_read() -> None:
    found = DATABASE_FACTS.read(
        [
            ["extension", "plpgsql", "1.0"],
            ["sequence", "public.a_seq", ""],
            ["sequence", "public.b_seq", "7"],
            ["objects", "3"],
            ["counters", "public.a", "10", "4"],
            ["revision", "b2"],
            ["revision", "a1"],
            ["table", "public.a", "r", "f"],
            ["table", "public.v", "v", "f"],
            ["table", "public.p1", "r", "t"],
            ["rows", "public.a", "6"],
            ["rows", "public.p1", "2"],
        ]
    )
    assert found == DatabaseFacts(
        tables={
            "public.a": TableFact("table", rows=6),
            "public.v": TableFact("view"),
            "public.p1": TableFact("table", partition=True, rows=2),
        },
        extensions={"plpgsql": "1.0"},
        sequences={"public.a_seq": None, "public.b_seq": 7},
        objects=3,
        revision="a1,b2",
        counters={"public.a": (10, 4)},
    )
    assert found.rows == 8
    assert DATABASE_FACTS.read([]) == DatabaseFacts()


def test_revision_and_size_are_read() -> None:
    assert SCHEMA.read([["bytes", "123"], ["revision", "b"], ["revision", "a"]]) == ("a,b", 123)
    assert SCHEMA.read([["bytes", "123"]]) == (None, 123)
    assert SCHEMA.read([]) == (None, None)
