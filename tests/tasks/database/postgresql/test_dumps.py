"""Dumps, restores and queries against a real PostgreSQL in its container."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.pipeline import DatabaseRules
from tasks.database.engine.protocols import Login
from tasks.database.postgresql import beside, dumps, locks
from tasks.kernel.argv import Argv
from tests.lab.postgres import USER, Postgres

ROWS = 500


def inside(
    server: Postgres, argv: Argv, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in the database's container."""
    variables = [f"--env={key}={value}" for key, value in environment.items()]
    words = ("docker", "exec", "--interactive", *variables, server.container, *argv)
    return subprocess.run(words, input=stdin, capture_output=True, timeout=120, check=False)


def query(server: Postgres, database: str, sql: str) -> str:
    done = inside(server, dumps.query(Login(database=database)), sql.encode())
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def drop(server: Postgres, database: str) -> None:
    quoted = database.replace('"', '""')
    query(server, "", f'drop database "{quoted}" with (force)')


@pytest.fixture
def database(postgres_server: Postgres) -> Iterator[str]:
    """A database with a table, whose name needs quoting wherever it is pasted."""
    name = f'it\'s "{uuid4().hex[:8]}"; --help'
    quoted = name.replace('"', '""')
    query(postgres_server, "", f'create database "{quoted}"')
    query(
        postgres_server,
        name,
        f"create table item as select n, 'x' || n as text from generate_series(1, {ROWS}) n",
    )
    yield name
    drop(postgres_server, name)


def test_rows_come_one_a_line(postgres_server: Postgres, database: str) -> None:
    assert (
        query(postgres_server, database, "select n, text from item where n < 3 order by n")
        == "1\tx1\n2\tx2\n"
    )


def test_a_failed_query_is_told_by_its_status(postgres_server: Postgres, database: str) -> None:
    done = inside(
        postgres_server,
        dumps.query(Login(database=database)),
        b"select 1;\nselect * from nothing;\nselect 2;",
    )
    assert done.returncode != 0
    assert done.stdout == b"1\n"
    assert b"nothing" in done.stderr


def test_a_dump_is_restored_into_a_database_of_its_own(postgres_server: Postgres, database: str) -> None:
    dumped = inside(postgres_server, dumps.dump(Login(database=database)))
    assert dumped.returncode == 0, dumped.stderr
    assert dumped.stdout.startswith(b"PGDMP")
    listed = inside(postgres_server, dumps.listing(), dumped.stdout).stdout.decode()
    assert dumps.read_listing(listed) == (2, 1)
    drill = f"drill-{uuid4().hex[:8]} 'x'"
    query(postgres_server, "", f'create database "{drill}"')
    restored = inside(postgres_server, beside.fill(drill, Login()), dumped.stdout)
    assert restored.returncode == 0, restored.stderr
    assert query(postgres_server, drill, "select count(*) from item") == f"{ROWS}\n"
    drop(postgres_server, drill)


def test_half_a_dump_is_not_restored(postgres_server: Postgres, database: str) -> None:
    dumped = inside(postgres_server, dumps.dump(Login(database=database))).stdout
    drill = f"drill-{uuid4().hex[:8]}"
    query(postgres_server, "", f'create database "{drill}"')
    half = dumped[: len(dumped) // 2]
    assert inside(postgres_server, beside.fill(drill, Login()), half).returncode != 0
    drop(postgres_server, drill)


def test_a_database_that_is_not_there_is_told(postgres_server: Postgres) -> None:
    done = inside(postgres_server, dumps.dump(Login(database="nothing")))
    assert done.returncode != 0
    assert b"nothing" in done.stderr
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("environment", "user", "expected"),
    [
        ({"POSTGRES_USER": USER, "POSTGRES_DB": ""}, "", f"{USER} {USER}"),
        ({"POSTGRES_USER": USER, "POSTGRES_DB": "postgres"}, "", f"{USER} postgres"),
        ({"POSTGRES_USER": "nobody", "POSTGRES_DB": "postgres"}, USER, f"{USER} postgres"),
        ({"POSTGRES_USER": "", "POSTGRES_USER_FILE": "/tmp/user", "POSTGRES_DB": ""}, "", f"{USER} {USER}"),
    ],
    ids=["user only", "both", "user named", "from a file"],
)
def test_user_and_database_are_the_images_own(
    postgres_server: Postgres, environment: dict[str, str], user: str, expected: str
) -> None:
    inside(postgres_server, ("tee", "/tmp/user"), f"{USER}\n".encode())
    sql = b"select current_user || ' ' || current_database()"
    done = inside(postgres_server, dumps.query(Login(user)), sql, **environment)
    assert (done.stdout.decode(), done.stderr) == (f"{expected}\n", b"")


LISTING = """;
; Archive created at 2026-12-01 06:00:00 UTC
;
215; 1259 16385 TABLE public orders shop
216; 1259 16390 TABLE DATA strange shop
217; 1259 16395 FOREIGN TABLE public far shop
218; 1259 16400 VIEW public TABLE shop
219; 1259 16405 SEQUENCE public TABLE shop
3390; 0 16385 TABLE DATA public orders shop
3391; 0 0 TABLE ATTACH public part shop
"""


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("", (0, 0)),
        (";\n; Archive created at x\n;\n", (0, 0)),
        ("; x\n\n4; 2615 2200 SCHEMA - TABLE shop\n4; 0 0 COMMENT - TABLE t\n", (2, 0)),
        (LISTING, (7, 2)),
    ],
)
def test_entries_and_tables_of_a_listing_are_counted(text: str, counted: tuple[int, int]) -> None:
    assert dumps.read_listing(text) == counted


def test_a_dump_is_compressed_with_zstd_where_the_server_has_it(
    postgres_server: Postgres, database: str
) -> None:
    dumped = inside(postgres_server, dumps.dump(Login(database=database))).stdout
    listed = inside(postgres_server, dumps.listing(), dumped).stdout.decode()
    assert "Compression: zstd" in listed


@pytest.mark.parametrize(
    ("version", "probe", "compress"),
    [
        ("17.2 (Debian 17.2-1)", "connection to server failed", "zstd:1"),
        ("16.0", "this build does not support compression with zstd", "1"),
        ("15.9", "invalid number", "1"),
        ("", "no such program", "1"),
    ],
)
def test_a_server_without_zstd_is_dumped_all_the_same(
    tmp_path: Path, version: str, probe: str, compress: str
) -> None:
    """A `pg_dump` of another build, in whose place a script answers."""
    program = tmp_path / "pg_dump"
    said = f"pg_dump (PostgreSQL) {version}" if version else ""
    program.write_text(
        "#!/bin/sh\ncase $* in\n"
        f"  *--version*) echo '{said}' ;;\n"
        f"  *nonexistent*) echo 'pg_dump: error: {probe}' >&2; exit 1 ;;\n"
        '  *) printf "%s\\n" "$@" ;;\nesac\n'
    )
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(dumps.dump(Login("me", "it's")), env=environment, capture_output=True, check=True)
    words = done.stdout.decode().splitlines()
    assert f"--compress={compress}" in words
    assert words[-2:] == ["--dbname=it's", "--no-password"]


def test_a_migration_s_waiting_is_bounded_in_milliseconds() -> None:
    rules = DatabaseRules(lock_timeout=2.5, statement_timeout=900.0)
    assert locks.limits(rules) == {"PGOPTIONS": "-c lock_timeout=2500 -c statement_timeout=900000"}
