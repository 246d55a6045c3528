"""Copies of a database, on a server of the lab: what they are like, and that nothing is left of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.values.receipts import BackupReceipt
from tasks.copies import ask_copy, ask_live, open_copy
from tasks.run import Run
from tests.lab.lab import Lab
from tests.lab.server import Server
from tests.tasks.database import LiveDatabase, live_database, run_on

pytestmark = pytest.mark.timeout(900)

SHOP = """
create role app login password 'app''s own';
create role "odd one" nologin;
create table product (id serial primary key, name text not null);
insert into product (name) select 'product ' || n from generate_series(1, 200) n;
create table alembic_version (version_num text);
insert into alembic_version values ('0002');
alter table product owner to app;
grant select on product to "odd one";
alter database store set statement_timeout = '123s';
"""


@pytest.fixture(scope="module")
def server(lab: Lab) -> Server:
    found = lab.servers["prod"]
    found.reset()
    return found


@pytest.fixture(scope="module")
def live(server: Server) -> Iterator[LiveDatabase]:
    with live_database(server) as database:
        database.sql(SHOP)
        yield database


@pytest.fixture(scope="module")
def run(server: Server) -> Run:
    return run_on(server)


@pytest.fixture(scope="module")
def backup(live: LiveDatabase, run: Run) -> BackupReceipt:
    return live.dump(run)


def left(server: Server) -> list[str]:
    """Return what is there of copies: containers, networks, volumes without owner."""
    listings = (
        ("docker", "ps", "--all", "--filter", "label=sluice.copy", "--format", "{{.Names}}"),
        ("docker", "network", "ls", "--filter", "label=sluice.copy", "--format", "{{.Name}}"),
        ("docker", "volume", "ls", "--filter", "dangling=true", "--format", "{{.Name}}"),
    )
    return [word for argv in listings for word in server.run(argv).stdout.split()]


def test_a_copy_holds_what_the_dump_held(live: LiveDatabase, run: Run, backup: BackupReceipt) -> None:
    with open_copy(run, name="one", backup=backup) as copy:
        assert (copy.user, copy.database, copy.service) == ("shop", "store", "db")
        assert copy.restore_errors == ()
        assert ask_copy(run, copy, "select count(*), max(name) from product") == [["200", "product 99"]]
        owner = "select tableowner from pg_tables where tablename = 'product'"
        assert ask_copy(run, copy, owner) == [["app"]]
        assert ask_copy(run, copy, "show statement_timeout") == [["123s"]]
        assert ask_copy(run, copy, "show fsync") == [["off"]]
        assert ask_copy(run, copy, "show data_checksums") == [["on"]]
        ask_copy(run, copy, "drop table product")
    assert ask_live(run, "prod", "select count(*) from product") == [["200"]]
    assert left(live.server) == []
