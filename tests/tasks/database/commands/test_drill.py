"""What makes a difference between a restored database and the live one, and what does not."""

from __future__ import annotations

import pytest

from tasks.database.commands.drill import DatabaseFacts, TableFact, compare

ORDERS, PRODUCTS = "public.orders", "public.products"


def facts(
    orders: int = 100,
    products: int = 20,
    *,
    revision: str | None = "0002",
    counters: dict[str, tuple[int, int]] | None = None,
    **more: TableFact,
) -> DatabaseFacts:
    tables = {ORDERS: TableFact("table", rows=orders), PRODUCTS: TableFact("table", rows=products)}
    return DatabaseFacts(
        tables=tables | {f"public.{name}": table for name, table in more.items()},
        extensions={"plpgsql": "1.0"},
        sequences={"public.orders_id_seq": orders},
        revision=revision,
        counters=counters or {},
    )


def test_equal_databases_have_nothing_to_tell() -> None:
    assert compare(facts(), facts(), revision="0002", counters={}) == compare(
        facts(), facts(), revision=None, counters={}
    )
    found = compare(facts(), facts(), revision="0002", counters={})
    assert (found.differences, found.notes) == ((), ())


def test_rows_that_came_and_went_are_noted() -> None:
    found = compare(facts(orders=140, products=19), facts(), revision="0002", counters={})
    assert found.differences == ()
    assert found.notes == (
        "public.orders: 100 rows restored, 140 live",
        "public.products: 20 rows restored, 19 live",
    )


def test_a_table_restored_empty_is_a_difference() -> None:
    found = compare(facts(), facts(orders=0), revision="0002", counters={})
    assert found.differences == (
        "public.orders: 0 rows restored, 100 live, how many were written since is not known",
    )


@pytest.mark.parametrize(
    ("then", "now", "passes"),
    [
        ((0, 0, 0), (100, 0), True),  # all of them were written since
        ((500, 7, 500), (560, 500), True),  # a queue that was empty then; the counters lag behind
        ((100, 0, 0), (100, 0), False),  # they were there
        ((100, 0, 0), (160, 0), False),  # and more came
        ((100, 0, 0), (60, 0), False),  # set back since: not known
    ],
)
def test_counters_tell_whether_a_table_was_empty(
    then: tuple[int, int, int], now: tuple[int, int], *, passes: bool
) -> None:
    live = facts(counters={ORDERS: now})
    found = compare(live, facts(orders=0), revision="0002", counters={ORDERS: then})
    assert (found.differences == ()) is passes


@pytest.mark.parametrize(("restored", "passes"), [(9_500, True), (8_999, True), (8_000, False)])
def test_a_table_must_not_have_lost_more_than_was_written(restored: int, *, passes: bool) -> None:
    live = facts(orders=10_000, counters={ORDERS: (10_200, 0)})
    found = compare(live, facts(orders=restored), revision="0002", counters={ORDERS: (10_190, 0, 0)})
    assert (found.differences == ()) is passes
    if not passes:
        assert found.differences == (
            "public.orders: 8000 rows restored, 10000 live, 10 of them written since",
        )


def test_what_is_missing_is_named() -> None:
    live = facts(new=TableFact("table", rows=1), totals=TableFact("view"))
    live = DatabaseFacts(
        tables=live.tables,
        extensions={"plpgsql": "1.0", "pg_trgm": "1.6"},
        sequences={**live.sequences, "public.new_id_seq": 1},
        objects=4,
        revision="0002",
    )
    found = compare(live, facts(), revision="0002", counters={})
    assert found.differences == (
        "the table public.new was not restored",
        "the view public.totals was not restored",
        "the sequence public.new_id_seq was not restored",
        "the extension pg_trgm was not restored",
        "none of 4 large objects was restored",
    )


def test_after_a_migration_what_is_missing_is_explained() -> None:
    live = facts(revision="0003", new=TableFact("table", rows=1))
    found = compare(live, facts(), revision="0002", counters={})
    assert found.differences == ()
    assert "the live schema is at 0003, the dump at 0002" in found.notes
    assert "the table public.new was not restored" in found.notes


def test_another_revision_than_the_dumps_is_a_difference() -> None:
    found = compare(facts(), facts(revision=None), revision="0002", counters={})
    assert found.differences == ("the schema is at revision none, the dump's was 0002",)


def test_what_an_application_does_by_itself_is_noted() -> None:
    live = facts(orders_2026_12=TableFact("table", partition=True, rows=3))
    live = DatabaseFacts(live.tables, {"plpgsql": "1.1"}, {"public.orders_id_seq": 1}, revision="0002")
    restored = facts(old=TableFact("table", rows=3))
    found = compare(live, restored, revision="0002", counters={})
    assert found.differences == ()
    assert found.notes == (
        "1 partitions were made since, such as public.orders_2026_12",
        "the table public.old is gone from the live database",
        "the extension plpgsql is 1.1 in the live database, a restore installs 1.0",
        "the sequence public.orders_id_seq was reset in the live database",
    )
