"""Bad days of the database: what another try cures is told apart, in one line."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.kernel.errors import TerminalError, TransientError
from tasks.ledger import database as module
from tasks.ledger.database import Database, explained
from tasks.ledger.store import Ledger
from tests.tasks.ledger.samples import PROD, SHOP, at, bring, make_plan, open_promotion

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.postgres import Postgres


def test_a_busy_file_is_transient_and_readable(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    with Ledger.open(sqlite_url) as ledger:
        promotion = open_promotion(ledger)
        writer = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="did not answer: database is locked") as told:
            ledger.leases.acquire(SHOP, PROD, promotion.id, 60, at(0))
        assert ledger.promotions.history() == [promotion]
        writer.execute("ROLLBACK")
        writer.close()
        assert ledger.leases.acquire(SHOP, PROD, promotion.id, 60, at(0)).owner == promotion.id
    assert "\n" not in str(told.value)
    assert told.value.todo == "check the database, then try again"


def test_a_full_disk_is_transient_and_leaves_the_row_as_it_was(sqlite_url: str) -> None:
    with Ledger.open(sqlite_url) as ledger:
        promotion = open_promotion(ledger)
        raw = ledger._database
        with raw.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        sa.event.listen(
            raw._engine, "begin", lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}"), insert=True
        )
        plan = make_plan("one", compose_diff="+ line\n" * 100_000)
        with pytest.raises(TransientError, match="database or disk is full"):
            ledger.promotions.set_plan(promotion.id, plan=plan, previous_release_id=None, now=at(1))
        assert ledger.promotions.get(promotion.id) == promotion


def test_a_readonly_file_is_terminal(sqlite_url: str) -> None:
    with Ledger.open(sqlite_url) as ledger:
        sa.event.listen(ledger._database._engine, "connect", lambda c, _: c.execute("PRAGMA query_only = ON"))
        ledger.close()
        with pytest.raises(TerminalError, match="readonly database"):
            open_promotion(ledger)


def test_a_lost_table_is_terminal(sqlite_url: str) -> None:
    with Ledger.open(sqlite_url) as ledger:
        with ledger._database.writing() as connection:
            connection.exec_driver_sql("DROP TABLE steps")
        with pytest.raises(TerminalError, match="no such table: steps"):
            ledger.steps.of(1)


def test_connections_the_server_dropped_are_made_anew(postgresql_url: str, postgres_server: Postgres) -> None:
    with Ledger.open(postgresql_url) as ledger:
        promotion = open_promotion(ledger)
        _drop_connections(postgres_server.url(), postgresql_url)
        assert ledger.promotions.get(promotion.id) == promotion


def test_a_connection_lost_within_a_change_is_transient_and_changes_nothing(
    postgresql_url: str, postgres_server: Postgres
) -> None:
    with Ledger.open(postgresql_url) as ledger:
        promotion = open_promotion(ledger)

        def change() -> None:
            with ledger._database.writing() as connection:
                connection.exec_driver_sql("UPDATE promotions SET status = 'running'")
                _drop_connections(postgres_server.url(), postgresql_url)
                connection.exec_driver_sql("UPDATE promotions SET status = 'broken'")

        with pytest.raises(TransientError) as told:
            change()
        assert "\n" not in str(told.value)
        assert ledger.promotions.get(promotion.id) == promotion


def test_an_error_within_a_change_changes_nothing(ledger: Ledger) -> None:
    promotion = bring(ledger, "one")

    def change() -> None:
        with ledger._database.writing() as connection:
            connection.exec_driver_sql("UPDATE promotions SET status = 'broken'")
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        change()
    assert ledger.promotions.get(promotion.id) == promotion


def test_a_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(TerminalError, match="without a time zone"):
        open_promotion(ledger, now=datetime(2026, 11, 21))  # noqa: DTZ001 - the mistake itself
    assert ledger.promotions.history() == []


def test_a_time_of_another_zone_becomes_utc(ledger: Ledger) -> None:
    tokyo = timezone(timedelta(hours=9))
    promotion = open_promotion(ledger, now=at(0).astimezone(tokyo))
    assert promotion.created_at == at(0)
    assert promotion.created_at.utcoffset() == timedelta(0)


def test_an_exhausted_pool_is_transient() -> None:
    told = explained(PoolTimeout("QueuePool limit of size 5 overflow 10 reached"), "the ledger at x")
    assert isinstance(told, TransientError)
    assert told.what == "the ledger at x did not answer: QueuePool limit of size 5 overflow 10 reached"


def test_only_the_first_line_is_told_and_no_statement() -> None:
    error = sa.exc.ProgrammingError("SELECT secret", {"token": "secret"}, RuntimeError("syntax\nLINE 1: …"))
    told = explained(error, "the ledger at x")
    assert type(told) is TerminalError
    assert told.what == "the ledger at x failed: syntax"
    assert told.detail == "LINE 1: …"


def test_an_error_without_words_is_named() -> None:
    assert "ZeroDivisionError" in str(explained(ZeroDivisionError(), "the ledger at x"))


def test_a_relative_file_is_made_where_the_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Database("sqlite:///here/ledger.db").close()
    assert (tmp_path / "here" / "ledger.db").exists()


def _drop_connections(server: str, url: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    query = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with engine.connect() as connection:
        assert connection.execute(query, {"name": sa.make_url(url).database}).all()
    engine.dispose()
