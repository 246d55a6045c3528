"""What a migration does to a database, as it is seen from beside it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator

import psycopg
import pytest

from blocks.values.evidence import LockFact
from tasks.database.commands.copied import parse_rows
from tasks.database.commands.locks import parse_locks, rewritten, watch
from tasks.database.engine.protocols import Login, TableFiles
from tasks.database.postgresql import locks
from tasks.database.postgresql.dumps import query as asking
from tests.lab.postgres import Postgres
from tests.lab.shell import wait_until


@pytest.fixture
def database(postgres_server: Postgres) -> Iterator[psycopg.Connection]:
    url = postgres_server.create_database().replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table product (id int, price int)")
        connection.execute("create table other (id int)")
        yield connection


def query(server: Postgres, database: psycopg.Connection) -> tuple[str, ...]:
    return ("docker", "exec", "-i", server.container, *asking(Login("ledger", database.info.dbname)))


def state(server: Postgres, database: psycopg.Connection) -> TableFiles:
    done = subprocess.run(
        query(server, database), input=locks.TABLE_FILES.sql, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return locks.TABLE_FILES.read(parse_rows(done.stdout))


def test_rewritten_tables_and_the_revision(postgres_server: Postgres, database: psycopg.Connection) -> None:
    before = state(postgres_server, database)
    assert before.revision is None
    database.execute("create table alembic_version (version_num text)")
    database.execute("insert into alembic_version values ('b'), ('a')")
    database.execute("alter table product alter column price type bigint")
    database.execute("alter table other add column note text")
    after = state(postgres_server, database)
    assert after.revision == "a,b"
    assert rewritten(before.files, after.files) == ("public.product",)


def test_locks_are_seen(postgres_server: Postgres, database: psycopg.Connection) -> None:
    watching = subprocess.Popen(
        watch(query(postgres_server, database)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told: list[str] = []
    reader = threading.Thread(target=lambda: told.append(watching.communicate(locks.WATCH)[0]))
    reader.start()
    watchers = "select count(*) from pg_stat_activity where application_name = 'sluice-watcher'"
    wait_until(lambda: database.execute(watchers).fetchone() == (1,), "the watcher", seconds=60)
    with database.transaction():
        database.execute("lock table product in share update exclusive mode")
        database.execute("lock table product in access exclusive mode")
        database.execute("lock table other in row exclusive mode")
        database.execute("select count(*) from product")
        database.execute("select pg_sleep(3)")
    database.execute(locks.STOP_WATCH)
    reader.join(60)
    seen = parse_locks(told[0], locks.MODES)
    assert [(one.table, one.mode) for one in seen] == [
        ("public.product", "AccessExclusiveLock"),
        ("public.other", "RowExclusiveLock"),
    ]
    assert all(0.5 < one.seconds < 30 for one in seen)


def test_the_strongest_lock_of_each_table_is_told() -> None:
    lines = (
        "10.0\t10.2\t3/1\tShareLock\tpublic.a",
        "10.0\t10.1\t3/1\tAccessExclusiveLock\tpublic.a",
        "11.0\t12.0\t3/2\tAccessExclusiveLock\tpublic.a",
        "10.0\t19.0\t3/1\tAccessShareLock\tpublic.c",
        "10.0\t10.0\t3/1\tRowExclusiveLock\tpublic.b",
        "something else",
    )
    assert parse_locks("\n".join(lines), locks.MODES) == (
        LockFact(table="public.a", mode="AccessExclusiveLock", seconds=1.05),
        LockFact(table="public.b", mode="RowExclusiveLock", seconds=0.05),
    )


def test_a_table_that_is_new_or_gone_is_not_rewritten() -> None:
    before = {"1": ("public.a", "10"), "2": ("public.b", "20")}
    after = {"1": ("public.renamed", "11"), "3": ("public.c", "30")}
    assert rewritten(before, after) == ("public.renamed",)
