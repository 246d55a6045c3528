"""The commands that make copies: what is in them, and what is not."""

from __future__ import annotations

import subprocess

import pytest

from tasks.database.commands import copies
from tasks.database.commands.copied import LiveDatabase, parse_live, parse_rows
from tasks.database.postgresql import copies as own
from tasks.kernel.argv import Argv
from tasks.kernel.errors import TerminalError

TOLD = """\
container=4f5c2e7a8b9d
image=sha256:1234
reference=postgres:17
alias=shop-db-1
alias=db
alias=4f5c2e7a8b9d
alias=database
digest=registry/postgres@sha256:99
user=shop
database=store=1
superuser=admin
bytes=7000000
setting=max_connections=300
setting=shared_preload_libraries=pg_stat_statements,auto_explain
setting=wal_level=replica
"""


@pytest.fixture
def live() -> LiveDatabase:
    return parse_live(TOLD)


def test_the_live_database_is_described(live: LiveDatabase) -> None:
    assert live == LiveDatabase(
        container="4f5c2e7a8b9d",
        image="sha256:1234",
        reference="postgres:17",
        digests=("registry/postgres@sha256:99",),
        aliases=("database", "db", "shop-db-1"),
        user="shop",
        database="store=1",
        superuser="admin",
        bytes=7_000_000,
        settings={
            "max_connections": "300",
            "shared_preload_libraries": "pg_stat_statements,auto_explain",
            "wal_level": "replica",
        },
    )


@pytest.mark.parametrize("text", ["", TOLD.replace("bytes=7000000\n", ""), TOLD.replace("7000000", "many")])
def test_what_does_not_tell_everything_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bytes|container|many"):
        parse_live(text)


def started(live: LiveDatabase, variables: Argv = ()) -> Argv:
    return copies.start(
        "one",
        "shop/prod",
        live,
        service="db",
        image=live.image,
        needed_bytes=5,
        variables=variables,
        server=own.server(live.settings),
    )


def test_a_copy_is_like_the_live_one_and_apart_from_it(live: LiveDatabase) -> None:
    argv = started(live, variables=own.variables())
    words = argv[argv.index("--pull=never") :]
    assert words[words.index("sha256:1234") + 1] == "postgres"
    assert {f"--network-alias={alias}" for alias in ("db", "database", "shop-db-1")} <= set(words)
    assert "shared_preload_libraries=pg_stat_statements,auto_explain" in words
    assert {"fsync=off", "wal_level=minimal", "max_wal_senders=0", "max_connections=300"} <= set(words)
    assert not [word for word in words if word.startswith(("--publish", "-p", "--label=com.docker", "--env"))]
    assert live.container in argv


def test_away_the_live_container_is_not_asked(live: LiveDatabase) -> None:
    argv = started(live)
    assert live.container not in argv
    assert b"PASSWORD" not in own.bare_variables(live)


def test_replication_that_is_needed_stays_possible(live: LiveDatabase) -> None:
    words = own.server({"wal_level": "logical"})
    assert "wal_level=logical" in words
    assert "max_wal_senders=0" not in words


def test_one_commands_output_goes_to_another_whatever_their_words_are() -> None:
    words = ("", "a b", "--", "$HOME", "it's")
    argv = copies.piped(("printf", "%s\\n", *words), ("sh", "-c", 'cat; printf "%s|" "$@"', "x", *words))
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == "\na b\n--\n$HOME\nit's\n|a b|--|$HOME|it's|"
    assert subprocess.run(copies.piped(("true",), ("false",)), check=False).returncode == 1


@pytest.mark.parametrize("name", ["", "-x", "a b", "$(id)", "../x"])
def test_a_copys_name_is_a_name(name: str) -> None:
    with pytest.raises(TerminalError):
        copies.clear(name)


def test_what_pg_restore_complains_of_is_a_list() -> None:
    text = """\
pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3443; 0 16390 TABLE DATA wish shop
pg_restore: error: COPY failed for table "wish": ERROR:  relation "product" does not exist
Command was: COPY public.wish (name) FROM stdin;
pg_restore: warning: errors ignored on restore: 1
"""
    assert own.restore_errors(text) == (
        'COPY failed for table "wish": ERROR:  relation "product" does not exist',
    )
    assert own.restore_errors("") == ()
    assert own.restore_errors("pg_restore: error: x\n" * 12)[-1] == "and 2 more"


def test_rows_keep_empty_fields() -> None:
    assert parse_rows("a\t\tb\n\nc\n") == [["a", "", "b"], ["c"]]
