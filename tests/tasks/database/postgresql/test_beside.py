"""Databases beside a live one, made and swapped in a real server."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tasks.database.commands.names import Names
from tasks.database.engine.protocols import Login
from tasks.database.postgresql.beside import DROP, KEEP, MAKE, PUT_BACK, SWAP, change, fill
from tasks.database.postgresql.dumps import dump, query
from tasks.kernel.argv import Argv
from tests.flows.domain.samples import NOW
from tests.lab.postgres import USER, Postgres

NAMES = Names.of(17, NOW)


@dataclass(frozen=True)
class Live:
    """A live database in a server of its own tests.

    Attributes:
        container: The server's container.
        database: Its name, of the kind that trips careless quoting.
    """

    container: str
    database: str

    def inside(self, argv: Argv, stdin: bytes = b"", *, check: bool = True) -> str:
        command = ("docker", "exec", "-i", self.container, *argv)
        done = subprocess.run(command, input=stdin, capture_output=True, check=False)
        if check:
            assert done.returncode == 0, done.stderr.decode()
        return (done.stdout + (b"" if done.returncode == 0 else done.stderr)).decode()

    def alter(self, sql: str, *, check: bool = True) -> str:
        return self.inside(change(NAMES, Login(USER, self.database)), sql.encode(), check=check)

    def ask(self, sql: str, database: str = "") -> list[str]:
        return self.inside(query(Login(USER, database or self.database)), sql.encode()).splitlines()

    def beside(self) -> list[str]:
        listed = "select datname from pg_database where datname like 'sluice_%'"
        return self.ask(listed, "postgres")

    def dump(self) -> bytes:
        argv = ("docker", "exec", self.container, *dump(Login(USER, self.database)))
        return subprocess.run(argv, capture_output=True, check=True).stdout


@pytest.fixture
def live(postgres_server: Postgres) -> Iterator[Live]:
    mark = secrets.token_hex(4)
    made = Live(postgres_server.container, f'sh"op {mark}')
    owner, reader = f'own"er {mark}', f"reader {mark}"
    made.inside(
        query(Login(USER, "postgres")),
        f"""
        create role {quoted(owner)}; create role {quoted(reader)};
        create database {quoted(made.database)} owner {quoted(owner)} template template0 encoding 'LATIN1'
          lc_collate 'C' lc_ctype 'C';
        revoke all on database {quoted(made.database)} from public;
        grant connect on database {quoted(made.database)} to {quoted(reader)} with grant option;
        alter database {quoted(made.database)} set search_path to "a b", public;
        alter database {quoted(made.database)} set default_transaction_read_only = off;
        alter role {quoted(reader)} in database {quoted(made.database)} set work_mem = '7MB';
        """.encode(),
    )
    made.ask(
        f"create table public.orders (id int); insert into public.orders values (1), (2); "
        f"alter table public.orders owner to {quoted(reader)}; grant select on public.orders to {quoted(owner)}"
    )
    yield made
    made.inside(change(NAMES, Login(USER, made.database)), DROP.encode())
    gone = f"drop database {quoted(made.database)} with (force); drop role {quoted(owner)}, {quoted(reader)}"
    made.inside(query(Login(USER, "postgres")), gone.encode(), check=False)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


LOOKS = """
select pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,
  (select string_agg(a::text, ' ' order by a::text) from unnest(datacl) a),
  (select string_agg(setrole || array_to_string(setconfig, ','), ' ' order by setrole)
   from pg_db_role_setting where setdatabase = d.oid)
from pg_database d where datname = current_database();
select tableowner, (select array_to_string(relacl, ' ') from pg_class where oid = 'public.orders'::regclass)
from pg_tables where tablename = 'orders';
"""


def restored_beside(live: Live) -> None:
    dumped = live.dump()
    live.alter(MAKE)
    live.inside(fill(NAMES.new, Login(USER, live.database)), dumped)


def test_a_dump_restored_beside_looks_like_the_live_database(live: Live) -> None:
    looks = live.ask(LOOKS)
    assert len(looks) == 2
    restored_beside(live)
    assert live.ask(LOOKS, NAMES.new) == looks
    # A half-filled one is made anew.
    restored_beside(live)
    assert live.ask("select count(*) from public.orders", NAMES.new) == ["2"]


def test_a_swap_keeps_the_one_before_and_is_taken_back(live: Live) -> None:
    restored_beside(live)
    live.ask("insert into public.orders values (3)")
    for _ in range(2):
        live.alter(SWAP)
        assert live.ask("select count(*) from public.orders") == ["2"]
    assert live.beside() == [NAMES.old]
    for _ in range(2):
        live.alter(PUT_BACK)
        assert live.ask("select count(*) from public.orders") == ["3"]
    assert live.beside() == []


def test_a_kept_database_comes_back_as_it_was(live: Live) -> None:
    looks = live.ask(LOOKS)
    live.alter(KEEP)
    live.ask("alter table public.orders drop id")
    # Kept once: what is kept is how it was before the change.
    live.alter(KEEP)
    assert live.ask("select count(id) from public.orders", NAMES.old) == ["2"]
    live.alter(PUT_BACK)
    assert live.ask("select count(id) from public.orders") == ["2"]
    assert live.ask(LOOKS) == looks
    live.alter(DROP)
    assert live.beside() == []


def test_who_is_connected_does_not_stand_in_the_way(live: Live) -> None:
    restored_beside(live)
    argv = ("docker", "exec", "-i", live.container, *query(Login(USER, live.database)))
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        session.stdin.write(b"select 'here';\n")
        session.stdin.flush()
        assert session.stdout.readline() == b"here\n"
        live.alter(SWAP)
        session.stdin.write(b"select 'gone';\n")
        session.stdin.close()
        assert session.wait(30) != 0
    assert live.ask("select count(*) from public.orders") == ["2"]


def test_a_failed_swap_changes_neither_name(live: Live) -> None:
    # There is nothing to swap with: the second rename fails, and takes the first one back.
    assert "does not exist" in live.alter(SWAP, check=False)
    assert live.beside() == []
    assert live.ask("select count(*) from public.orders") == ["2"]


def test_names_are_a_promotions_own() -> None:
    assert Names.of(17, NOW) == Names(
        "sluice_new_17_20261121053300", "sluice_old_17_20261121053300", "sluice_bad_17_20261121053300"
    )
