"""The contract of database engines, on the fake one, on PostgreSQL, and on engines that are broken on purpose."""

from __future__ import annotations

import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from blocks.pipeline import Migration
from blocks.pipeline.sections import DatabaseRules
from blocks.values.lifecycle import Status
from blocks.values.schema_changes import SchemaFinding
from tasks.adapters.local import LocalRunner
from tasks.database.commands.shapes import Pair
from tasks.database.engine.protocols import DatabaseEngine, Login, Question, SchemaFacts, UnreadableSqlError
from tasks.database.engines import ENGINES, engine_of, judge_of
from tasks.database.postgresql import POSTGRESQL, dumps
from tasks.database.restore import swap_database
from tasks.kernel.argv import Argv
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.protocols import Call, Fence, LineSink, Result
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.database import (
    FAKE_ENGINE,
    FakeBeside,
    FakeComparison,
    FakeCopies,
    FakeDatabaseHost,
    FakeDumps,
    FakeJudge,
    FakeLocks,
)
from tests.fakes.host import FakeHost
from tests.lab.postgres import Postgres
from tests.lab.shell import wait_until
from tests.tasks.database import contract
from tests.tasks.database.contract import CONTRACT, WAITED_TOO_LONG, Place
from tests.tasks.database.postgres import run_with
from tests.tasks.ledger.samples import bring

Check = Callable[[Place], None]
each = pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)


class LeaseOfNobodyElse:
    """Holds a lease that nobody else wants."""

    def token(self) -> int:
        return 1


@contextmanager
def holding(run: Run, folder: Path) -> Iterator[Run]:
    """Give a run a ledger, a promotion and the lease."""
    run.hosts["prod"].raise_fence(Fence(run.directories["prod"], 1))
    with Ledger.open(f"sqlite:///{folder}/ledger.db") as ledger:
        promotion = bring(ledger, "one", Status.RUNNING)
        keeper = cast("Any", LeaseOfNobodyElse())
        yield replace(run, ledger=ledger, promotion_id=promotion.id, keeper=keeper)


@contextmanager
def fake_place(folder: Path) -> Iterator[Place]:
    host = FakeDatabaseHost()
    with holding(run_with({"prod": host}), folder) as run:
        query = FAKE_ENGINE.dumps.query(Login())

        def migrate(sql: str, limits: Mapping[str, str]) -> Result:
            code, stdout, stderr = host.live.execute(query, sql.encode(), limits)
            status = WAITED_TOO_LONG if "until somebody killed it" in stderr else code
            return Result(query, status, stdout.decode(), stderr, 0.0)

        def sql(text: str) -> None:
            host.live.databases["store"].executescript(text)

        yield Place(
            run=run,
            sql=sql,
            write=host.files.__setitem__,
            read=host.files.__getitem__,
            migrate=migrate,
            locked=host.locked,
        )


@each
def test_the_fake_engine(check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "postgresql", FAKE_ENGINE)
    with fake_place(tmp_path) as place:
        check(place)


class ThisMachine(FakeHost):
    """This machine as a host; its engine is the one that starts databases for tests."""

    def run(self, call: Call, *, on_line: LineSink | None = None) -> Result:
        self._check(call.fence)
        return LocalRunner().run(replace(call, fence=None), on_line=on_line)

    def write_file(self, path: str, content: bytes, *, mode: int = 0o644, fence: Fence | None = None) -> None:
        Path(path).write_bytes(content)

    def read_file(self, path: str) -> bytes | None:
        return Path(path).read_bytes() if Path(path).exists() else None


@dataclass(frozen=True)
class Live:
    """A PostgreSQL server on this machine, labelled as compose would; its container's name is the project's."""

    container: str

    def inside(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        words = ("docker", "exec", "-i", self.container, *argv)
        return subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)

    def sql(self, text: str) -> str:
        done = self.inside(*dumps.query(Login()), stdin=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Have a session hold a lock on a table until it is ended."""
        taken = f"set application_name = 'holder'; begin; lock table {table}; select pg_sleep(600);"
        holder = threading.Thread(target=lambda: self.inside(*dumps.query(Login()), stdin=taken), daemon=True)
        holder.start()
        held = f"select count(*) from pg_locks where relation = '{table}'::regclass and granted"
        wait_until(lambda: self.sql(held).strip() != "0", "the lock", seconds=60)
        yield
        self.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holder'")
        holder.join(60)


@pytest.fixture(scope="module")
def live(postgres_server: Postgres) -> Iterator[Live]:
    name = f"contract-{secrets.token_hex(4)}"
    labels = {"project": name, "service": "db", "oneoff": "False"}
    words = (
        *("docker", "run", "--detach", "--rm", "--name", name),
        *(f"--label=com.docker.compose.{key}={value}" for key, value in labels.items()),
        *("--env=POSTGRES_USER=shop", "--env=POSTGRES_DB=store", '--env=POSTGRES_PASSWORD=it\'s a "secret"'),
        *("postgres:17", "-c", "fsync=off"),
    )
    subprocess.run(words, check=True, capture_output=True)
    database = Live(name)
    try:
        ready = ("pg_isready", "--host=127.0.0.1", "--username=shop")
        wait_until(lambda: database.inside(*ready).returncode == 0, "the database", seconds=120)
        yield database
    finally:
        subprocess.run(("docker", "rm", "--force", "--volumes", name), check=False, capture_output=True)


@each
@pytest.mark.timeout(900)
def test_postgresql(check: Check, live: Live, tmp_path: Path) -> None:
    live.sql("drop schema public cascade; create schema public")
    host, folder = ThisMachine(), tmp_path / "app"
    (folder / "backups").mkdir(parents=True)
    plain = replace(run_with({"prod": host}), pipeline=live.container, directories={"prod": str(folder)})

    def migrate(sql: str, limits: Mapping[str, str]) -> Result:
        given = (f"--env={key}={value}" for key, value in limits.items())
        inside = ("docker", "exec", "-i", *given, live.container, *dumps.query(Login()))
        return host.run(Call(("timeout", "20", *inside), stdin=sql.encode()))

    with holding(plain, tmp_path) as run:
        check(
            Place(
                run=run,
                sql=live.sql,
                write=host.write_file,
                read=lambda path: host.read_file(path) or b"",
                migrate=migrate,
                locked=live.locked,
            )
        )


class DumpsNothing(FakeDumps):
    """Writes nothing, and says that it went well."""

    def dump(self, login: Login) -> Argv:
        return ("fakedb", "nothing")


class CountsOneTable(FakeDumps):
    """Takes every listing for one of a table."""

    def read_listing(self, text: str) -> tuple[int, int]:
        return 1, 1


class ListsAnything(FakeDumps):
    """Says that it read whatever it was given."""

    def listing(self) -> Argv:
        return ("fakedb", "nothing")


class LosesTheRevision(FakeDumps):
    """Never finds a revision."""

    SCHEMA = Question("\\facts", lambda _: SchemaFacts(None, 4096))


class SaysWhatWasDumped(FakeDumps):
    """Counts the rows of no table."""

    DATABASE_FACTS = Question("\\facts", lambda _: FakeDumps.DATABASE_FACTS.read([[_NO_FACTS]]))


_NO_FACTS = '{"tables": {}, "revisions": []}'


class ForgetsToDouble(FakeCopies):
    """Does not make the second database."""

    def duplicate(self, database: str, name: str) -> str:
        return "select 1;"


class FillsNothing(FakeBeside):
    """Leaves the new database as empty as it was made."""

    def fill(self, name: str, login: Login) -> Argv:
        return ("fakedb", "nothing")


class SwapsNothing(FakeBeside):
    """Does not change any name."""

    SWAP = "nothing"


class KeepsNothing(FakeBeside):
    """Does not keep the live database."""

    KEEP = "nothing"


class CountsRowsOnly(FakeComparison):
    """Takes two tables with as many rows for equal."""

    def totals(self, compared: Sequence[Pair]) -> str:
        return "".join(f"select {at}, count(*), 0 from {one.name};" for at, one in enumerate(compared))


class MixesUpRows(FakeComparison):
    """Looks at the keys of rows alone."""

    def _row(self, pair: Pair) -> str:
        return self._key(pair)


class PastesNames(FakeComparison):
    """Does not quote columns."""

    def _sum(self, columns: Sequence[str]) -> str:
        return f"checksum({', '.join(columns)})"


class WaitsForEver(FakeLocks):
    """Does not bound a migration's waiting."""

    def limits(self, rules: DatabaseRules) -> dict[str, str]:
        return {}


class TrustsWhatItCannotRead(FakeJudge):
    """Has nothing to say of SQL that it cannot read."""

    def findings(self, sql: str, **known: Any) -> Iterator[SchemaFinding]:
        try:
            return iter(list(super().findings(sql, **known)))
        except UnreadableSqlError:
            return iter(())


class TrustsEveryStatement(FakeJudge):
    """Finds nothing anywhere."""

    def findings(self, sql: str, **known: Any) -> Iterator[SchemaFinding]:
        return iter(())


@dataclass(frozen=True)
class Broken:
    """An engine that is broken on purpose, and the check that has to see it."""

    engine: DatabaseEngine
    check: Check
    name: str


def broken(check: Check, **parts: Any) -> Broken:
    (part,) = parts.values()
    return Broken(replace(FAKE_ENGINE, **parts), check, type(part).__name__)


BROKEN = (
    broken(contract.a_dump_holds_what_was_dumped, dumps=DumpsNothing()),
    broken(contract.a_dump_without_a_table_is_told, dumps=CountsOneTable()),
    broken(contract.what_is_no_whole_dump_is_found, dumps=ListsAnything()),
    broken(contract.the_revision_is_read, dumps=LosesTheRevision()),
    broken(contract.a_table_that_a_dump_lacks_is_found, dumps=SaysWhatWasDumped()),
    broken(contract.a_copy_is_doubled_and_apart, copies=ForgetsToDouble()),
    broken(contract.equal_databases_have_no_differences, beside=FillsNothing()),
    broken(contract.what_is_no_whole_dump_is_found, beside=FillsNothing()),
    broken(contract.databases_are_swapped_and_put_back, beside=SwapsNothing()),
    broken(contract.a_kept_database_comes_back, beside=KeepsNothing()),
    broken(contract.what_a_restore_loses_is_told_row_by_row, comparison=CountsRowsOnly()),
    broken(contract.what_a_restore_loses_is_told_row_by_row, comparison=MixesUpRows()),
    broken(contract.names_are_data, comparison=PastesNames()),
    broken(contract.a_migration_that_waits_for_a_lock_is_stopped, locks=WaitsForEver()),
    broken(contract.what_cannot_be_read_is_never_harmless, judge=TrustsWhatItCannotRead()),
    broken(contract.what_cannot_be_read_is_never_harmless, judge=TrustsEveryStatement()),
)


@pytest.mark.parametrize("one", BROKEN, ids=lambda one: f"{one.name}-{one.check.__name__}")
def test_the_contract_sees_a_broken_engine(
    one: Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "postgresql", one.engine)
    with fake_place(tmp_path) as place, pytest.raises((AssertionError, SluiceError, pytest.fail.Exception)):
        one.check(place)


def test_names_are_changed_once_nobody_is_connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "postgresql", FAKE_ENGINE)
    with fake_place(tmp_path) as place:
        place.sql(contract.SHOP)
        place.restored(place.dump())
        server = cast("FakeDatabaseHost", place.run.hosts["prod"]).live
        server.busy = 5
        with pytest.raises(TerminalError, match="somebody is connected"):
            swap_database.fn(place.run, host="prod", names=place.names)
        server.busy = 4
        swap_database.fn(place.run, host="prod", names=place.names)
        assert place.names.old in server.databases


def test_an_engine_is_found_by_the_dialect_of_the_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "other", FAKE_ENGINE)
    migration = Migration(service="web", command=("migrate",), dialect="other")
    assert engine_of(migration) is judge_of(migration) is FAKE_ENGINE
    monkeypatch.delitem(ENGINES, "other")
    assert engine_of(migration) is engine_of(None) is POSTGRESQL
    assert judge_of(migration) is None


def test_every_check_was_seen_to_fail() -> None:
    assert {one.check for one in BROKEN} == set(CONTRACT)


def test_postgresql_is_registered_under_its_dialect() -> None:
    assert ENGINES == {"postgresql": POSTGRESQL}
