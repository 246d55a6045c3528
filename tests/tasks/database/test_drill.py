"""Drills on a server of the lab: a good dump passes, and whatever is wrong with one is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.database.drill import prove
from tasks.host.scripts import dump
from tasks.kernel.protocols import Call
from tasks.steps.run import Run
from tests.lab.server import Server
from tests.tasks.database.postgres import LiveDatabase, live_database, run_on

pytestmark = pytest.mark.timeout(1800)

# The check of `wish` is what real dumps fail on: a function that finds its table only by the search path, which a
# restore leaves empty.
SHOP = """
create table product (id serial primary key, name text not null);
insert into product (name) select 'product ' || n from generate_series(1, 200) n;
create view cheap as select * from product where id < 10;
create materialized view names as select name from product;
create table event (id int, at date) partition by range (at);
create table event_2026 partition of event for values from ('2026-01-01') to ('2027-01-01');
insert into event values (1, '2026-05-05'), (2, '2026-05-06');
create table parent (n int);
create table child () inherits (parent);
insert into parent values (1);
insert into child values (2), (3);
create schema "Odd one";
create table "Odd one"."ta'ble" ();
create table alembic_version (version_num text);
insert into alembic_version values ('0002');
"""
TRAP = """
create function known(what text) returns boolean language sql
  as 'select exists (select 1 from product where name = what)';
create table wish (name text check (known(name)));
insert into wish values ('product 7');
"""


@pytest.fixture(scope="module")
def live(prod: Server) -> Iterator[LiveDatabase]:
    with live_database(prod) as database:
        database.sql(SHOP)
        yield database


@pytest.fixture(scope="module")
def run(live: LiveDatabase) -> Run:
    return run_on(live.server)


def test_a_good_dump_passes(live: LiveDatabase, run: Run) -> None:
    receipt = prove(run, name="drill", backup=live.dump(run))
    assert receipt.passed
    assert (receipt.differences, receipt.notes) == ((), ())
    assert (receipt.tables, receipt.rows) == (9, 206)
    assert receipt.revision == "0002"
    assert receipt.extensions == ("plpgsql 1.0",)
    assert 0 < receipt.restore_seconds < receipt.seconds


def test_what_happened_since_the_dump_is_explained(live: LiveDatabase, run: Run) -> None:
    backup = live.dump(run)
    live.sql("insert into product (name) values ('new'); create table event_2027 partition of event default")
    try:
        receipt = prove(run, name="drill", backup=backup)
    finally:
        live.sql("delete from product where name = 'new'; drop table event_2027")
    assert receipt.passed
    assert receipt.notes == (
        "1 partitions were made since, such as public.event_2027",
        "public.product: 200 rows restored, 201 live",
    )


def test_a_dump_without_a_table_or_its_rows_fails(live: LiveDatabase, run: Run) -> None:
    doctored = live.dump(run, "doctored", "--exclude-table=product*", "--exclude-table-data=event_2026")
    receipt = prove(run, name="drill", backup=doctored)
    assert not receipt.passed
    found = "\n".join(receipt.differences)
    assert "the table public.product was not restored" in found
    assert "the sequence public.product_id_seq was not restored" in found
    assert "public.event_2026: 0 rows restored, 2 live" in found


def test_a_dump_that_does_not_restore_fails(live: LiveDatabase, run: Run) -> None:
    live.sql(TRAP)
    try:
        receipt = prove(run, name="drill", backup=live.dump(run))
    finally:
        live.sql("drop table wish; drop function known")
    assert 'pg_restore: COPY failed for table "wish"' in receipt.differences[0]
    assert any(line.startswith("public.wish: 0 rows restored, 1 live") for line in receipt.differences)


def test_a_dump_cut_short_fails(live: LiveDatabase, run: Run) -> None:
    backup = live.dump(run)
    live.server.run(("truncate", "--size=-1", backup.path))
    receipt = prove(run, name="drill", backup=backup)
    assert receipt.differences == (
        f"the dump {backup.path} on prod has {backup.bytes - 1} bytes, {backup.bytes} were written",
    )
    assert receipt.restore_seconds == 0


def test_a_dump_that_was_never_one_fails(live: LiveDatabase, run: Run) -> None:
    """Its checksum is right: whatever wrote it wrote this."""
    good = live.dump(run)
    done = run.hosts["prod"].run(Call(dump(good.path, ("echo", "pg_dump: error: no"))))
    checksum, size = done.stdout.split()
    backup = good.model_copy(update={"sha256": checksum, "bytes": int(size)})
    receipt = prove(run, name="drill", backup=backup)
    assert not receipt.passed
    assert "archive" in receipt.differences[0]
