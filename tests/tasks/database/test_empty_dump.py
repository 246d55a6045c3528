"""Dumps without a table on a server of the lab: of the wrong database, or rightly empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest

from blocks.pipeline.sections import Migration
from blocks.values.receipts import BackupReceipt
from tasks.database.backup import take_dump
from tasks.database.drill import prove
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Fence
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.lease import FakeKeeper
from tests.flows.domain.samples import NOW, manifest, release
from tests.lab.server import Server
from tests.samples.runs import APP
from tests.tasks.database.postgres import ENVIRONMENT, LiveDatabase, live_database, run_on
from tests.tasks.ledger.samples import make_backup, open_promotion

pytestmark = pytest.mark.timeout(300)

SECRET = "it%27s%23so"
# The default database of the server is empty: an init script made the one that the application uses.
WRONG = {**ENVIRONMENT, "POSTGRES_DB": "unused", "POSTGRES_PASSWORD": "it's#so"}
MAKE = """
create database app;
\\connect app
create table orders (n int);
\\connect unused
alter database app rename to "the app's";
"""
MANIFEST = manifest(release=release(id="20261121105330-1f3c2ab00000"), services=("web", "db"))
CLEAN = "drop database if exists my_app with (force);"
ELSEWHERE = f"postgresql+psycopg://shop:{SECRET}@other:5432/store?schema=public"


@pytest.fixture(scope="module")
def live(staging: Server) -> Iterator[LiveDatabase]:
    with live_database(staging, environment=WRONG) as database:
        yield database


@pytest.fixture
def prepare(staging: Server, live: LiveDatabase, ledger: Ledger) -> Iterator[Callable[..., Run]]:
    def run(*, backup: str = "", promoted: bool = True, migrating: bool = False) -> Run:
        found = run_on(staging, backup=backup)
        if migrating:
            migration = Migration(service="web", command=("migrate",))
            found = replace(found, description=found.description.model_copy(update={"migration": migration}))
        there = found.hosts[staging.name]
        there.raise_fence(Fence(APP, 1))
        if promoted:
            there.write_file(f"{APP}/current/sluice.manifest.json", MANIFEST.to_json().encode())
        return replace(found, keeper=cast("Any", FakeKeeper()), ledger=cast("Any", ledger))

    yield run
    live.sql(CLEAN)
    staging.run(("rm", "-rf", APP))


@contextmanager
def web(server: Server, *variables: str) -> Iterator[None]:
    """Run another container of the application, with variables."""
    labels = (
        "com.docker.compose.project=shop",
        "com.docker.compose.service=web",
        "com.docker.compose.oneoff=False",
    )
    told = (*(f"--label={one}" for one in labels), *(f"--env={one}" for one in variables))
    words = ("docker", "run", "--detach", "--name", "shop-web-1", "--network", "shop_default", *told)
    server.run((*words, "postgres:17", "sleep", "infinity"))
    try:
        yield
    finally:
        server.run(("docker", "rm", "--force", "shop-web-1"))


@contextmanager
def other_server(server: Server) -> Iterator[None]:
    """Run a database server of its own whose database holds a table."""
    told = (f"--env={key}={value}" for key, value in {**WRONG, "POSTGRES_DB": "store"}.items())
    words = ("docker", "run", "--detach", "--name", "other", "--network", "shop_default", *told)
    server.run((*words, "postgres:17"))
    other = LiveDatabase(server, "other")
    try:
        other.wait()
        other.sql("create table orders (n int)")
        yield
    finally:
        server.run(("docker", "rm", "--force", "--volumes", "other"))


def refused(run: Run) -> str:
    with pytest.raises(TerminalError) as caught:
        take_dump(run, host="staging", name="one.dump")
    assert SECRET not in str(caught.value)
    assert "it's" not in str(caught.value).replace("app's", "")
    assert not run.hosts["staging"].read_file(f"{APP}/backups/one.dump"), "what is no backup does not stay"
    return str(caught.value)


def test_tables_in_another_database_of_the_server(live: LiveDatabase, prepare: Callable[..., Run]) -> None:
    live.sql(MAKE)
    # Whoever agreed to an empty dump did not agree to one of another database.
    text = refused(prepare(backup=", may_be_empty: true"))
    assert "the app's" in text
    assert "tables: 1" in text
    assert "backup.database" in text
    live.sql('alter database "the app\'s" rename to my_app;')
    named = take_dump(prepare(backup=", database: my_app"), host="staging", name="two.dump")
    assert (named.tables, named.counts) == (1, True)


def test_another_database_with_tables_beside_the_applications_own(
    staging: Server, live: LiveDatabase, prepare: Callable[..., Run]
) -> None:
    live.sql("create database my_app")
    live.sql("\\connect my_app\ncreate table orders (n int)")
    run = prepare()
    with web(staging, f"DATABASE_URL=postgres://shop:{SECRET}@db/unused"):
        receipt = take_dump(run, host="staging", name="own.dump")
    assert receipt.why_empty == "DATABASE_URL of web leads to it"
    with web(staging, "DB_HOST=db", "DB_NAME=unused"):
        text = refused(prepare())
        agreed = take_dump(
            prepare(backup=", database: unused, may_be_empty: true"), host="staging", name="two.dump"
        )
    assert "name it in backup.database and set backup.may_be_empty to true" in text
    assert agreed.counts


def test_a_first_deployment_to_a_database_elsewhere(staging: Server, prepare: Callable[..., Run]) -> None:
    run = prepare(promoted=False)
    there = run.hosts["staging"]
    with other_server(staging):
        there.write_file(f"{APP}/.env", f'# Moved\nexport DATABASE_URL="{ELSEWHERE}"\n'.encode())
        assert "DATABASE_URL of the env file" in refused(run)
    there.write_file(f"{APP}/.env", b"DB_HOST=db.example.com\nDB_NAME=store\n")
    assert "it is not known" in refused(run)
    # Its password may be another variable.
    there.write_file(f"{APP}/.env", b"DATABASE_URL=postgres://shop:${PASSWORD}@db:5432/unused\n")
    assert take_dump(run, host="staging", name="one.dump").counts


def test_tables_that_are_gone(staging: Server, prepare: Callable[..., Run], ledger: Ledger) -> None:
    row = open_promotion(ledger)

    def keep(receipt: BackupReceipt) -> None:
        ledger.backups.add(promotion_id=row.id, pipeline="shop", environment="prod", receipt=receipt, now=NOW)

    keep(make_backup(f"{APP}/backups/full.dump").model_copy(update={"host": "staging"}))
    with web(staging, f"DATABASE_URL=postgres://shop:{SECRET}@db/unused"):
        assert "they are gone" in refused(prepare())
        meant = take_dump(prepare(backup=", may_be_empty: true"), host="staging", name="one.dump")
        keep(meant)
        # Said once, it need not be said again.
        assert take_dump(prepare(), host="staging", name="two.dump").counts


def test_a_dump_of_an_earlier_version_is_taken_again(prepare: Callable[..., Run]) -> None:
    run = prepare(promoted=False)
    found = take_dump(run, host="staging", name="one.dump")
    path = f"{APP}/backups/one.dump.json"
    before = found.model_copy(update={"tables": None, "why_empty": ""})
    run.hosts["staging"].write_file(path, before.to_json().encode())
    assert not before.counts
    assert take_dump(run, host="staging", name="one.dump").why_empty


def test_tables_where_the_application_connects_to(staging: Server, prepare: Callable[..., Run]) -> None:
    run = prepare()
    with other_server(staging), web(staging, f"DATABASE_URL={ELSEWHERE}"):
        assert "DATABASE_URL of web" in refused(run)


def test_tables_of_somebody_else(staging: Server, live: LiveDatabase, prepare: Callable[..., Run]) -> None:
    """The dumped database holds a table of another program, the application uses another one."""
    live.sql("create database my_app")
    live.sql("\\connect my_app\ncreate table orders (n int)")
    live.sql("create table sessions (n int)")
    prepare = partial(prepare, migrating=True)
    try:
        with web(staging, f"DATABASE_URL=postgres://shop:{SECRET}@db/my_app"):
            assert "DATABASE_URL of web leads to database my_app (tables: 1)" in refused(prepare())
            assert (
                take_dump(prepare(backup=", database: my_app"), host="staging", name="own.dump").tables == 1
            )
            assert (
                take_dump(prepare(backup=", database: unused"), host="staging", name="said.dump").tables == 1
            )
        with web(staging, "DB_HOST=db", "DB_NAME=my_app"):
            assert "DB_NAME of web names database my_app" in refused(prepare())
        with web(staging, "DB_URL_FILE=/tmp/url"):
            write = f"printf %s 'postgres://shop:{SECRET}@db/my_app' > /tmp/url"
            staging.run(("docker", "exec", "shop-web-1", "sh", "-c", write))
            assert "DB_URL_FILE of web leads to database my_app" in refused(prepare())
        with web(staging, "DB_HOST=db.example.com", "DB_NAME=unused"):
            assert "DB_HOST of web leads to another server" in refused(prepare())
        for told in (
            ("DB_HOST=db", "DB_NAME=unused"),
            (f"URL=postgres://shop:{SECRET}@db/unused?options=-c%20TimeZone%3DAsia/Tokyo",),
            ("DB_HOST=shop-db-1", "OTHER_DB_HOST=nowhere", "DB_NAME=unused"),
            (
                f"DATABASE_URL=postgres://shop:{SECRET}@db/unused",
                f"REPORTS=postgres://shop:{SECRET}@db/my_app",
            ),
        ):
            with web(staging, *told):
                assert take_dump(prepare(), host="staging", name="right.dump", anew=True).tables == 1
        # The release that runs was migrated, and not here.
        with web(staging):
            assert "it knows none, while database my_app of the same server (tables: 1) may" in refused(
                prepare()
            )
        live.sql("drop database my_app")
        with web(staging):
            assert take_dump(prepare(), host="staging", name="only.dump").tables == 1
    finally:
        live.sql("drop table sessions")


def test_nobody_can_say(staging: Server, prepare: Callable[..., Run]) -> None:
    run = prepare()
    with web(staging):
        assert "may_be_empty" in refused(run)
    with web(staging, "DB_HOST=db"):
        assert "DB_HOST of web" in take_dump(run, host="staging", name="parts.dump").why_empty
    with web(staging, f"DATABASE_URL=postgresql://shop:{SECRET}@nowhere/store"):
        assert "DATABASE_URL of web" in refused(run)
    agreed = take_dump(prepare(backup=", may_be_empty: true"), host="staging", name="one.dump")
    assert (agreed.tables, agreed.counts) == (0, True)


def test_a_database_that_is_rightly_empty(staging: Server, prepare: Callable[..., Run]) -> None:
    first = take_dump(prepare(promoted=False), host="staging", name="one.dump")
    assert first.why_empty
    run = prepare()
    with web(staging, f"URL=postgres://shop:{SECRET}@db/unused", "OTHER=https://postgresql://x"):
        receipt = take_dump(run, host="staging", name="two.dump")
    assert "URL of web" in receipt.why_empty
    assert prove(run, name="shop.prod.drill", backup=receipt).passed
    # A receipt of before, or one that was taken on the way back, proves nothing.
    unknown = receipt.model_copy(update={"why_empty": ""})
    assert "no table" in prove(run, name="shop.prod.drill", backup=unknown).differences[0]


def test_an_emptied_database_does_not_stop_the_way_back(prepare: Callable[..., Run]) -> None:
    receipt = take_dump(prepare(), host="staging", name="one.dump", empty_counts=True)
    assert (receipt.tables, receipt.counts) == (0, False)
