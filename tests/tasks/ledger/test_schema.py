"""The migrations make exactly the tables the code works with, whole or not at all."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tasks.kernel.errors import TransientError
from tasks.ledger import database as database_module
from tasks.ledger import migrate, schema
from tasks.ledger.database import Database
from tasks.ledger.models import HEAD, METADATA, VERSION_TABLE
from tasks.ledger.store import Ledger

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = f'''"""Breaks half-way."""
from alembic import op
revision, down_revision = "9999", "{HEAD}"
def upgrade():
    op.execute("CREATE TABLE half (id INTEGER)")
    op.execute("INSERT INTO half VALUES (1)")
    raise RuntimeError("the power went out")
'''


def test_the_journal_mode_waits_for_its_moment(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.01)
    database = Database(sqlite_url)
    writer = sqlite3.connect(
        sqlite_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
    )
    writer.execute("BEGIN IMMEDIATE")
    with monkeypatch.context() as shorter:
        shorter.setattr(schema, "_WAL_SECONDS", 0.1)
        with pytest.raises(TransientError, match="database is locked"):
            schema._ensure_wal(database)
    end = threading.Timer(0.3, writer.execute, ["ROLLBACK"])
    end.start()
    schema._ensure_wal(database)
    end.join()
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    writer.close()
    database.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations."""
    copy = tmp_path / "100% migrations"
    shutil.copytree(migrate.FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_the_models_are_what_the_migrations_make(shared: tuple[str, Ledger]) -> None:
    engine = sa.create_engine(shared[0])
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_the_comparison_sees_a_difference(shared: tuple[str, Ledger]) -> None:
    changed = sa.MetaData(naming_convention=METADATA.naming_convention)
    for table in METADATA.sorted_tables:
        table.to_metadata(changed)
    changed.tables["steps"].append_column(sa.Column("seconds", sa.Float()))
    changed.tables["leases"].c.token.type = sa.Text()
    engine = sa.create_engine(shared[0])
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert len(compare_metadata(context, changed)) == 2
    engine.dispose()


@pytest.mark.parametrize(
    "name",
    [
        "uq_promotions_active",
        "uq_approvals_code",
        "uq_holds_active",
        "uq_drift_standing",
        "uq_relaxations_standing",
    ],
)
def test_partial_indexes_are_partial(shared: tuple[str, Ledger], name: str) -> None:
    # Alembic does not compare the condition of an index.
    ((table, index),) = [(t.name, i) for t in METADATA.sorted_tables for i in t.indexes if i.name == name]
    engine = sa.create_engine(shared[0])
    (found,) = [one for one in sa.inspect(engine).get_indexes(table) if one["name"] == name]
    dialect = engine.dialect.name
    engine.dispose()
    assert found["unique"]
    wanted = str(index.dialect_options[dialect]["where"])
    stored = str(found["dialect_options"][f"{dialect}_where"])
    for word in wanted.replace("(", "").replace(")", "").replace(",", "").replace("IN ", "").split():
        assert word.lower() in stored.lower()


def test_the_code_names_the_newest_migration() -> None:
    scripts = ScriptDirectory.from_config(migrate.config())
    assert scripts.get_heads() == [HEAD]
    assert HEAD in migrate.known()


def test_a_migration_that_breaks_leaves_nothing(url: str, folder: Path) -> None:
    Ledger.open(url).close()
    (folder / "versions" / "9999_broken.py").write_text(BROKEN, encoding="utf-8")
    database = Database(url)
    with pytest.raises(RuntimeError, match="the power went out"), database.writing() as connection:
        command.upgrade(migrate.config(connection, folder), "head")
    with database.reading() as connection:
        assert not sa.inspect(connection).has_table("half")
        assert connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar() == HEAD
    database.close()


def test_the_template_drafts_a_migration_that_runs(sqlite_url: str, folder: Path) -> None:
    Ledger.open(sqlite_url).close()
    database = Database(sqlite_url)
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE holds")
        drafting = migrate.config(connection, folder)
        command.revision(drafting, "Bring the holds back", rev_id="9999", autogenerate=True)
    (draft,) = (folder / "versions").glob("9999_*.py")
    text = draft.read_text(encoding="utf-8")
    assert "sa.DateTime(timezone=True)" in text
    assert "tasks." not in text
    with database.writing() as connection:
        command.upgrade(migrate.config(connection, folder), "head")
        assert sa.inspect(connection).has_table("holds")
    database.close()
