"""What would be lost, found out on real databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.evidence import TableLoss
from tasks.database import loss
from tasks.database.commands.loss import MOST_ROWS, Differences, Suspects, bounded, losses
from tasks.database.commands.shapes import Pair
from tasks.database.engine.protocols import Ask
from tasks.database.loss import loss_from_copy, loss_from_counters, lost_by_downgrade
from tasks.database.postgresql import comparison
from tests.flows.domain.samples import NOW
from tests.lab.postgres import Postgres

SHOP = """
create table products (id int primary key, name text not null, price numeric(10,2));
create table "odd ""name" ("a b" int, "c'd" text, primary key ("a b"));
create table events (what text);
create table alembic_version (version_num text);
insert into products select n, 'p' || n, n from generate_series(1, 5000) n;
insert into "odd ""name" values (1, E'tab\\there'), (2, null);
insert into events select 'e' || n % 7 from generate_series(1, 100) n;
insert into alembic_version values ('m1');
"""


def compare(first: Ask, second: Ask) -> Differences:
    return loss.compare(comparison, first, second)


def asking(url: str) -> tuple[Ask, psycopg.Connection]:
    """Return what asks a database as psql would, each field as text."""
    connection = psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True)

    def ask(sql: str) -> list[list[str]]:
        rows: list[list[str]] = []
        with connection.cursor() as cursor:
            cursor.execute(sql)
            while True:
                if cursor.description:
                    rows += [["" if field is None else str(field) for field in row] for row in cursor]
                if not cursor.nextset():
                    break
            cursor.execute("reset all")
        return rows

    return ask, connection


@pytest.fixture
def databases(postgres_server: Postgres) -> Iterator[tuple[Ask, Ask, Callable[[str], None]]]:
    """Two equal databases, and what changes the second."""
    with ExitStack() as stack:
        made = [asking(postgres_server.create_database()) for _ in range(2)]
        for ask, connection in made:
            stack.callback(connection.close)
            ask(SHOP)
        (first, _), (second, connection) = made

        def change(sql: str) -> None:
            connection.execute(sql)

        yield first, second, change


Databases = tuple[Ask, Ask, Callable[[str], None]]


def test_equal_databases_lose_nothing(databases: Databases) -> None:
    first, second, change = databases
    # A migration tool's own table is none of the application's.
    change("update alembic_version set version_num = 'm2'")
    found = compare(first, second)
    assert (found.tables, found.only_first, found.only_second, found.notes) == ((), (), (), ())
    assert lost_by_downgrade(found) == ()


def test_rows_are_told_apart_as_inserted_updated_and_deleted(databases: Databases) -> None:
    first, second, change = databases
    change("insert into products select n, 'new', 1 from generate_series(5001, 5003) n")
    change("update products set price = price + 1 where id between 10 and 13")
    change("delete from products where id in (20, 21)")
    change("""update "odd ""name" set "c'd" = 'x' where "a b" = 2""")
    change("insert into events values ('e1'), ('e1'), ('e9')")
    change("delete from events where ctid in (select ctid from events where what = 'e3' limit 1)")
    assert compare(first, second).tables == (
        TableLoss(table="public.products", inserted=3, updated=4, deleted=2),
        TableLoss(table="public.events", inserted=3, deleted=1),
        TableLoss(table='public."odd ""name"', updated=1),
    )


def test_values_that_moved_between_rows_are_found(databases: Databases) -> None:
    first, second, change = databases
    change("update products set name = case id when 1 then 'p2' else 'p1' end where id in (1, 2)")
    assert compare(first, second).tables == (TableLoss(table="public.products", updated=2),)


def test_what_only_one_of_them_has(databases: Databases) -> None:
    first, second, change = databases
    change("create table jobs (id int primary key); insert into jobs values (1), (2)")
    change("create table empty (id int)")
    change("alter table products add stock int not null default 0, add note text")
    found = compare(first, second)
    assert [str(gone) for gone in found.only_second] == ["public.jobs with 2 rows"]
    assert found.only_first == ()
    change("update products set stock = 3 where id = 1; update products set note = 'x' where id in (1, 2)")
    back = compare(second, first)
    assert lost_by_downgrade(back) == (
        "public.jobs with 2 rows",
        "public.products.stock in 1 row",
        "public.products.note in 2 rows",
    )
    # The rows themselves are the same in the columns both have.
    assert back.tables == ()


def test_another_name_is_no_loss(databases: Databases) -> None:
    first, second, change = databases
    change("alter table products rename column name to title")
    change("alter table events rename to happenings")
    found = compare(first, second)
    assert (found.tables, found.only_first, found.only_second) == ((), (), ())
    change("update products set title = 'other' where id = 1")
    assert [str(gone) for gone in compare(first, second).only_first] == ["public.products.name in 5000 rows"]


def test_the_same_value_written_otherwise_is_the_same(databases: Databases) -> None:
    first, second, change = databases
    change("alter table products alter id type bigint, alter name type varchar(200)")
    change("set datestyle = 'German'")
    assert compare(first, second).tables == ()


def test_nothing_is_written(databases: Databases) -> None:
    first, second, change = databases
    change(
        "create function spy() returns int language plpgsql as 'begin insert into events values (1); return 1; end'"
    )
    # A default is only evaluated where it is a constant.
    change("alter table products add spied int default spy()")
    before = second("select count(*) from events")
    compare(second, first)
    assert second("select count(*) from events") == before


def test_a_table_with_too_many_rows_that_differ_is_told_by_its_counts() -> None:
    pair = Pair(name="t", columns=("id",), key=("id",), gone={})
    many = Suspects(groups=(1,), first=MOST_ROWS, second=MOST_ROWS + 5)
    assert bounded(pair, many) == TableLoss(table="t", inserted=5, updated=MOST_ROWS)


KEYED = st.dictionaries(st.integers(0, 20), st.integers(0, 3), max_size=12)


@given(KEYED, KEYED)
def test_losses_count_each_row_once(one: dict[int, int], other: dict[int, int]) -> None:
    pair = Pair(name="t", columns=("k", "v"), key=("k",), gone={})
    first, second = ([["0", str(key), str(value)] for key, value in rows.items()] for rows in (one, other))
    found = losses((pair,), first, second)
    expected = TableLoss(
        table="t",
        inserted=len(other.keys() - one.keys()),
        deleted=len(one.keys() - other.keys()),
        updated=sum(one[key] != other[key] for key in one.keys() & other.keys()),
    )
    assert found == ((expected,) if expected.rows else ())


def test_a_report_from_a_copy(databases: Databases) -> None:
    first, second, change = databases
    change("insert into products values (9001, 'new', 1); drop table events")
    change("create table jobs (id int primary key); insert into jobs values (1), (2)")
    report = loss_from_copy(compare(first, second), backup_path="/b/x.dump", taken_at=NOW)
    assert report.source == "copy"
    assert report.tables == (
        TableLoss(table="public.events", deleted=100),
        TableLoss(table="public.jobs", inserted=2),
        TableLoss(table="public.products", inserted=1),
    )
    assert report.rows == 103


def test_a_report_from_counters_says_what_it_cannot_know() -> None:
    report = loss_from_counters(
        {"public.a": (10, 5, 0), "public.b": (7, 0, 0), "public.gone": (1, 0, 0)},
        {"public.a": (12, 9, 1), "public.b": (3, 1, 0), "public.c": (2, 0, 0), "public.d": (0, 0, 0)},
        backup_path="/b/x.dump",
        taken_at=NOW,
        why="no copy was compared: no room",
    )
    assert report.source == "statistics"
    assert report.tables == (
        TableLoss(table="public.a", inserted=2, updated=4, deleted=1),
        TableLoss(table="public.b", inserted=3, updated=1),
        TableLoss(table="public.c", inserted=2),
    )
    assert report.notes == (
        "no copy was compared: no room",
        "public.b: its counters were reset since, so more may be lost",
        "public.gone: dropped since the dump, and would be back",
    )
