"""What any database engine must do, as the steps that use it see it.

Each check begins with an empty live database. The SQL is what every engine knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from blocks.values.evidence import TableLoss
from blocks.values.receipts import BackupReceipt
from blocks.values.releases import Revision
from blocks.values.schema_changes import MigrationVerdict, Risk
from flows.domain.database.verdicts import RenderedMigration, judge_migrations, split_rendered
from tasks.database.backup import take_dump
from tasks.database.commands.copies import feed
from tasks.database.commands.loss import Differences
from tasks.database.commands.names import Names
from tasks.database.copies import ask_copy, open_copy
from tasks.database.drill import prove
from tasks.database.engine.protocols import Question
from tasks.database.live import ask_live, call, database_engine, within
from tasks.database.loss import compare
from tasks.database.restore import (
    drop_kept,
    keep_database,
    put_database_back,
    restore_beside,
    swap_database,
)
from tasks.database.schema import read_schema
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Result
from tasks.steps.run import Run
from tests.flows.domain.samples import NOW

WAITED_TOO_LONG = 124
SHOP = """
create table orders (id int primary key, note text);
insert into orders values (1, 'one');
insert into orders values (2, 'two');
insert into orders values (3, 'three');
create table kept (id int primary key);
insert into kept values (7);
"""
VERSIONS = "create table alembic_version (version_num text);"
ODD = """
create table "Odd ""na;me' %s \\1" ("a ""b" int primary key, "Select" text);
insert into "Odd ""na;me' %s \\1" values (1, 'it''s'), (2, null);
"""


@dataclass(frozen=True)
class Place:
    """A live database that the steps of a run reach.

    Attributes:
        run: The run, holding its lease.
        sql: Runs SQL in the live database.
        write: Writes a file of its host: path, content.
        read: Reads one.
        migrate: Runs SQL as a migration with these variables; `WAITED_TOO_LONG` is the status of one that waits.
        locked: Has somebody hold a lock on a table that every change of it waits for.
    """

    run: Run
    sql: Callable[[str], object]
    write: Callable[[str, bytes], object]
    read: Callable[[str], bytes]
    migrate: Callable[[str, Mapping[str, str]], Result]
    locked: Callable[[str], AbstractContextManager[None]]

    @property
    def names(self) -> Names:
        return Names.of(self.run.promotion_id, NOW)

    def dump(self, name: str = "one.dump") -> BackupReceipt:
        return take_dump(self.run, host="prod", name=name, anew=True)

    def count(self, table: str = "orders") -> int:
        return int(ask_live(self.run, f"select count(*) from {table};")[0][0])

    def replaced(self, backup: BackupReceipt, content: bytes) -> BackupReceipt:
        """Put something else in a dump's place; its receipt says that this was written."""
        self.write(backup.path, content)
        checksum = hashlib.sha256(content).hexdigest()
        return backup.model_copy(update={"bytes": len(content), "sha256": checksum})

    def restored(self, backup: BackupReceipt) -> Differences:
        """Restore a dump beside the live database; return how that one differs from what was restored."""
        restore_beside.fn(self.run, host="prod", backup=backup, names=self.names)
        return compare(
            database_engine(self.run).comparison,
            lambda sql: ask_live(self.run, sql, self.names.new),
            lambda sql: ask_live(self.run, sql),
        )


def a_dump_holds_what_was_dumped(place: Place) -> None:
    place.sql(SHOP + VERSIONS + "insert into alembic_version values ('0002');")
    backup = place.dump()
    assert (backup.tables, backup.revision) == (3, "0002")
    receipt = prove(place.run, name="drill", backup=backup)
    assert receipt.differences == ()
    assert (receipt.tables, receipt.rows, receipt.revision) == (3, 5, "0002")


def what_is_no_whole_dump_is_found(place: Place) -> None:
    place.sql(SHOP + VERSIONS)
    backup = place.dump()
    whole = place.read(backup.path)
    for content in (whole[: len(whole) // 2], b"", b"error: it went wrong\n"):
        broken = place.replaced(backup, content)
        assert not prove(place.run, name="drill", backup=broken).passed
        with pytest.raises(TerminalError, match="does not restore"):
            restore_beside.fn(place.run, host="prod", backup=broken, names=place.names)
    listing = feed(backup.path, within(place.run, database_engine(place.run).dumps.listing()))
    assert not place.run.hosts["prod"].run(call(listing, 60)).ok


def a_dump_without_a_table_is_told(place: Place) -> None:
    backup = place.dump()
    assert backup.tables == 0
    assert backup.why_empty
    unexplained = backup.model_copy(update={"why_empty": ""})
    assert not prove(place.run, name="drill", backup=unexplained).passed


def a_table_that_a_dump_lacks_is_found(place: Place) -> None:
    place.sql("create table orders (id int primary key);")
    backup = place.dump()
    place.sql("create table missing (id int primary key);")
    differences = "\n".join(prove(place.run, name="drill", backup=backup).differences)
    assert "missing was not restored" in differences.replace('"', "")


def what_a_restore_loses_is_told_row_by_row(place: Place) -> None:
    place.sql(SHOP)
    backup = place.dump()
    place.sql(
        "insert into orders values (4, 'four'); update orders set note = 'other' where id = 2; "
        "delete from orders where id = 1; drop table kept; "
        "create table fresh (id int primary key); insert into fresh values (1), (2);"
    )
    found = place.restored(backup)
    drop_kept.fn(place.run, host="prod", names=place.names)
    assert ["orders" in one.table for one in found.tables] == [True]
    assert found.tables == (TableLoss(table=found.tables[0].table, inserted=1, updated=1, deleted=1),)
    assert ["kept" in one.table and one.rows for one in found.only_first] == [1]
    assert ["fresh" in one.table and one.rows for one in found.only_second] == [2]


def equal_databases_have_no_differences(place: Place) -> None:
    place.sql(SHOP)
    found = place.restored(place.dump())
    drop_kept.fn(place.run, host="prod", names=place.names)
    assert (found.tables, found.only_first, found.only_second) == ((), (), ())


def databases_are_swapped_and_put_back(place: Place) -> None:
    place.sql(SHOP)
    backup = place.dump()
    place.sql("insert into orders values (4, 'four');")
    place.restored(backup)
    for _ in range(2):
        swap_database.fn(place.run, host="prod", names=place.names)
        assert place.count() == 3
        again(place)
    for _ in range(2):
        put_database_back.fn(place.run, host="prod", names=place.names)
        assert place.count() == 4
        again(place)


def a_kept_database_comes_back(place: Place) -> None:
    place.sql(SHOP)
    keep_database.fn(place.run, host="prod", names=place.names)
    place.sql("delete from orders;")
    assert place.count() == 0
    put_database_back.fn(place.run, host="prod", names=place.names)
    assert place.count() == 3


def again(place: Place) -> None:
    """Forget which steps finished: what was done is done again."""
    for row in place.run.ledger.steps.of(place.run.promotion_id):
        place.run.ledger.steps.start(row.promotion_id, row.name, row.host, now=NOW)


def the_revision_is_read(place: Place) -> None:
    host = place.run.hosts["prod"]
    place.sql("create table orders (id int primary key);")
    running, revision, size = read_schema(place.run, host)
    assert (running, revision) == (True, None)
    assert size
    place.sql(VERSIONS + "insert into alembic_version values ('b2'), ('a1');")
    assert read_schema(place.run, host)[1] == "a1,b2"


def a_migration_that_waits_for_a_lock_is_stopped(place: Place) -> None:
    place.sql(SHOP)
    rules = place.run.policy.database.model_copy(update={"lock_timeout": 0.5})
    limits = database_engine(place.run).locks.limits(rules)
    migration = "alter table orders add column price int;"
    with place.locked("orders"):
        stopped = place.migrate(migration, limits)
    assert stopped.exit_code not in {0, WAITED_TOO_LONG}, stopped.stderr
    assert place.migrate(migration, limits).ok


def names_are_data(place: Place) -> None:
    place.sql(ODD)
    backup = place.dump()
    receipt = prove(place.run, name="drill", backup=backup)
    assert (receipt.differences, receipt.tables, receipt.rows) == ((), 1, 2)
    place.sql(ODD.splitlines()[2].replace("(1, 'it''s'), (2, null)", "(3, 'three')"))
    found = place.restored(backup)
    drop_kept.fn(place.run, host="prod", names=place.names)
    assert [(one.inserted, one.updated, one.deleted) for one in found.tables] == [(1, 0, 0)]


def a_copy_is_doubled_and_apart(place: Place) -> None:
    place.sql(SHOP)
    with open_copy(place.run, name="one", backup=place.dump()) as copy:
        ask_copy(place.run, copy, database_engine(place.run).copies.duplicate(copy.database, "be'fo\"re"))
        ask_copy(place.run, copy, "delete from orders;")
        count = Question("select count(*) from orders;", lambda rows: rows[0][0])
        assert count.put(lambda sql: ask_copy(place.run, copy, sql)) == "0"
        assert count.put(lambda sql: ask_copy(place.run, copy, sql, "be'fo\"re")) == "3"
        with pytest.raises(TerminalError, match=r"refused a question: .*nothing"):
            ask_copy(place.run, copy, "select * from nothing;")
    assert place.count() == 3


def what_cannot_be_read_is_never_harmless(place: Place) -> None:
    assert verdict(place, "create table fresh (id int);").risk is Risk.ADDITIVE
    assert verdict(place, "drop table orders;").risk is Risk.DESTRUCTIVE
    for sql in ("create table fresh (id int", "frobnicate orders;", "create table a (b int);\nfrobnicate;"):
        assert verdict(place, sql).risk is Risk.OPAQUE, sql
    hidden = "-- Running upgrade  -> a1\nselect '\n-- Running upgrade a1 -> b2\n';\ndrop table orders;\n"
    wanted = (Revision(id="a1"), Revision(id="b2", down=("a1",)))
    judged = database_engine(place.run)
    found = judge_migrations(
        split_rendered(hidden, wanted, 0, "", judged.judge), judged, lint={}, sources=None
    )
    assert all(one.risk.breaks for one in found)


def verdict(place: Place, sql: str) -> MigrationVerdict:
    migration = RenderedMigration(revision="r1", sql=sql)
    (found,) = judge_migrations([migration], database_engine(place.run), lint={}, sources=None)
    return found


CONTRACT: tuple[Callable[[Place], None], ...] = (
    a_dump_holds_what_was_dumped,
    what_is_no_whole_dump_is_found,
    a_dump_without_a_table_is_told,
    a_table_that_a_dump_lacks_is_found,
    what_a_restore_loses_is_told_row_by_row,
    equal_databases_have_no_differences,
    databases_are_swapped_and_put_back,
    a_kept_database_comes_back,
    the_revision_is_read,
    a_migration_that_waits_for_a_lock_is_stopped,
    names_are_data,
    a_copy_is_doubled_and_apart,
    what_cannot_be_read_is_never_harmless,
)
