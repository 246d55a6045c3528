"""Opening a ledger: made where there is none, and a clear word where that cannot be."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from tasks.kernel.errors import TerminalError
from tasks.ledger.database import Database
from tasks.ledger.models import HEAD, VERSION_TABLE
from tasks.ledger.store import Ledger
from tests.tasks.ledger.samples import START, open_promotion

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-geheim"


def shown(error: BaseException) -> str:
    """Return everything a log may show of an error, its causes included."""
    return "".join(traceback.format_exception(error))


def test_what_is_written_is_there_after_opening_again(url: str) -> None:
    with Ledger.open(url) as first:
        promotion = open_promotion(first, "run-1")
    with Ledger.open(url) as second:
        assert second.promotions.of_run("run-1") == promotion


def test_a_closed_ledger_can_be_used_again(url: str) -> None:
    ledger = Ledger.open(url)
    ledger.close()
    assert ledger.promotions.history() == []
    ledger.close()


def test_the_file_is_its_owners_only(sqlite_url: str, tmp_path: Path) -> None:
    with Ledger.open(sqlite_url) as ledger:
        open_promotion(ledger)
        files = sorted((tmp_path / "home").iterdir())
        assert [file.name for file in files] == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_a_file_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.touch(mode=0o644)
    Ledger.open(f"sqlite:///{file}").close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_sqlite_is_set_up_for_several_processes(sqlite_url: str) -> None:
    Ledger.open(sqlite_url).close()
    database = Database(sqlite_url)
    with database.reading() as connection:
        settings = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS]
    database.close()
    assert settings == list(PRAGMAS.values())


PRAGMAS = {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000, "synchronous": 2}


def test_opening_an_up_to_date_ledger_does_not_load_the_migrations(sqlite_url: str) -> None:
    Ledger.open(sqlite_url).close()
    program = (
        "import sys; from tasks.ledger.store import Ledger; Ledger.open(sys.argv[1]).close();"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, sqlite_url], check=False).returncode == 0


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_the_ways_people_write_a_postgresql_url(postgresql_url: str, scheme: str) -> None:
    plain = make_url(postgresql_url).set(drivername="x").render_as_string(hide_password=False)
    with Ledger.open(plain.replace("x://", f"{scheme}://", 1)) as ledger:
        assert ledger.promotions.history() == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "cannot be read"),
        (f"no url with {SECRET}", "cannot be read"),
        (f"postgresql://u:{SECRET}@host:port/db", "cannot be read"),
        (f"mysql://u:{SECRET}@host/db", "names mysql, which is not supported"),
        (f"postgresql+asyncpg://u:{SECRET}@host/db", "names postgresql\\+asyncpg"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///file:x?mode=memory&uri=true", "names no file"),
    ],
)
def test_a_wrong_url_is_told_without_its_password(url: str, said: str) -> None:
    with pytest.raises(TerminalError, match=said) as told:
        Ledger.open(url)
    assert "use sqlite:////folder/ledger.db or postgresql://" in told.value.todo
    assert SECRET not in shown(told.value)


@pytest.mark.parametrize("query", ["", f"?password={SECRET}&connect_timeout=2"])
def test_a_server_that_does_not_answer_is_told_without_its_password(query: str) -> None:
    with pytest.raises(TerminalError, match="did not answer") as told:
        Ledger.open(f"postgresql://sluice:{SECRET}@127.0.0.1:1/ledger{query}")
    assert "postgresql://sluice:***@127.0.0.1:1/ledger" in told.value.what
    assert "SLUICE_LEDGER_URL" in told.value.todo
    assert "\n" not in str(told.value)
    assert SECRET not in shown(told.value)


def test_a_database_that_is_not_there_is_told(postgresql_url: str) -> None:
    absent = make_url(postgresql_url).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(TerminalError, match='database "nowhere" does not exist') as told:
        Ledger.open(absent)
    assert "\n" not in str(told.value)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TerminalError, match=r"file/ledger\.db cannot be made"):
        Ledger.open(f"sqlite:///{tmp_path}/file/ledger.db")


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir(mode=0o700)
    with pytest.raises(TerminalError, match="unable to open database file"):
        Ledger.open(f"sqlite:///{tmp_path}/ledger.db")


def test_a_file_that_is_no_database_is_told_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(b"my letters, not a database" * 100)
    with pytest.raises(TerminalError, match="file is not a database"):
        Ledger.open(f"sqlite:///{file}")
    assert file.read_bytes() == b"my letters, not a database" * 100


def test_a_newer_schema_is_refused_and_left_alone(url: str) -> None:
    Ledger.open(url).close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(TerminalError, match=f"has schema 9999, newer than .* knows \\({HEAD}\\)") as told:
        Ledger.open(url)
    assert told.value.todo == "update Sluice on this machine"
    with engine.begin() as connection:
        assert connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar() == "9999"
    engine.dispose()


def test_another_programs_tables_in_the_same_database_are_left_alone(url: str) -> None:
    Database(url).close()  # makes the file and its folder
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('theirs')")
    Ledger.open(url).close()
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "theirs"
    engine.dispose()


def test_times_are_utc_whatever_the_servers_zone(postgresql_url: str) -> None:
    url = make_url(postgresql_url).update_query_dict({"options": "-c timezone=Asia/Tokyo"})
    with Ledger.open(url.render_as_string(hide_password=False)) as ledger:
        promotion = open_promotion(ledger)
    assert promotion.created_at == START
    assert promotion.created_at.utcoffset() == START.utcoffset()


def test_a_ledger_made_by_hand_without_tables_is_filled(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    sqlite3.connect(file).close()
    with Ledger.open(f"sqlite:///{file}") as ledger:
        assert ledger.promotions.history() == []
