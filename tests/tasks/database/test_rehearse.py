"""Rehearsals on a server of the lab: what they find, and that nothing live is touched or left over."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from typing import Any

import pytest

from blocks.values.evidence import RehearsalReceipt
from blocks.values.manifests import Manifest
from blocks.values.receipts import BackupReceipt
from tasks.database.copies import ask_copy, open_copy
from tasks.database.rehearse import downgrade_on_copy, rehearse
from tasks.steps.run import Run
from tests.lab.lab import Lab
from tests.lab.server import Server
from tests.lab.shell import wait_until
from tests.tasks.small_shop import COMMAND, SLEEP, SmallShop, run_on, small_shop

pytestmark = pytest.mark.timeout(1800)

ADD = "alter table product add column note text; update alembic_version set version_num = '0002';"
READS_NOTE = "select note from product limit 1"
# Fails where the policy's bounds did not reach the migration.
BOUNDED = """
do $$ begin
  if current_setting('lock_timeout') <> '5s' or current_setting('statement_timeout') <> '15min' then
    raise 'no bounds';
  end if;
end $$;
"""


@pytest.fixture(scope="module")
def shop(lab: Lab) -> Iterator[SmallShop]:
    with small_shop(lab.servers["prod"]) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_live_is_touched(shop: SmallShop) -> Iterator[None]:
    before = shop.containers()
    yield
    assert shop.containers() == before
    assert left(shop) == []
    assert shop.database.revision() == "0001"
    marks = shop.server.run(("docker", "exec", "the-app", "cat", "/media/mark", "/uploads/mark")).stdout
    assert marks.split() == ["live", "live"]


def left(shop: SmallShop) -> list[str]:
    """Return what is there of rehearsals and copies: containers, networks, volumes, files."""
    listings = (
        ("docker", "ps", "--all", "--filter", "label=sluice.rehearsal", "--format", "{{.Names}}"),
        ("docker", "ps", "--all", "--filter", "label=sluice.copy", "--format", "{{.Names}}"),
        ("docker", "network", "ls", "--filter", "label=sluice.copy", "--format", "{{.Name}}"),
        ("docker", "network", "ls", "--filter", "name=rehearsal", "--format", "{{.Name}}"),
        ("docker", "volume", "ls", "--filter", "label=sluice.rehearsal", "--format", "{{.Name}}"),
        ("docker", "volume", "ls", "--filter", "dangling=true", "--format", "{{.Name}}"),
        ("find", f"{shop.run.directories['prod']}/rehearsals", "-mindepth", "1"),
    )
    return [word for argv in listings for word in shop.server.run(argv, check=False).stdout.split()]


def play(shop: SmallShop, manifest: Manifest, run: Run | None = None, **changes: Any) -> RehearsalReceipt:
    """Rehearse, without journal and flow around it."""
    values: dict[str, Any] = {
        "host": "prod",
        "backup": shop.dump(),
        "release": manifest.release,
        "manifest": manifest,
        "previous": shop.previous,
        "name": "shop-prod-1",
    }
    return rehearse.fn(run or shop.run, **(values | changes))


def test_an_additive_migration_proves_the_way_back(shop: SmallShop) -> None:
    receipt = play(shop, shop.stage(2, sql=f"{BOUNDED}{ADD}", check=READS_NOTE))
    assert receipt.migrated, receipt.reason
    assert (receipt.revision_before, receipt.revision_after) == ("0001", "0002")
    assert receipt.new is not None
    assert receipt.new.passed is True, receipt.new.reason
    assert receipt.new.services == ("app",)
    assert receipt.proves_return
    assert receipt.drill.passed
    assert receipt.rewritten == ()


def test_a_column_the_running_release_reads_is_missed(shop: SmallShop) -> None:
    drop = "alter table product drop column name; update alembic_version set version_num = '0002';"
    receipt = play(shop, shop.stage(2, sql=drop, check="select price from product limit 1"))
    assert receipt.new is not None
    assert receipt.new.passed is True
    assert receipt.old is not None
    assert receipt.old.passed is False
    assert 'column "name" does not exist' in receipt.old.reason
    assert not receipt.proves_return


def test_a_migration_that_fails_is_a_finding(shop: SmallShop) -> None:
    broken = f"create table half (id int); {ADD} select no_such_function();"
    receipt = play(shop, shop.stage(2, sql=broken))
    assert not receipt.migrated
    assert "no_such_function" in receipt.reason
    assert (receipt.new, receipt.old) == (None, None)


def test_locks_and_rewritten_tables_are_seen(shop: SmallShop) -> None:
    wide = "begin; alter table product alter column price type bigint; select pg_sleep(4); commit;"
    receipt = play(shop, shop.stage(2, sql=wide), previous=None)
    assert receipt.migrated, receipt.reason
    assert receipt.rewritten == ("public.product",)
    assert [(lock.table, lock.mode) for lock in receipt.locks] == [("public.product", "AccessExclusiveLock")]
    assert receipt.locks[0].seconds > 1
    assert receipt.old is None
    assert receipt.running_release_id is None


def test_nothing_live_is_reached(shop: SmallShop) -> None:
    """The policy's own check runs inside: it sees the copy and its variables, and nothing else."""
    words = ("docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}")
    live = shop.server.run((*words, "shop-db-1")).stdout.split()
    unreachable = [*live, shop.server.address, "1.1.1.1", "localhost"]
    tests = [
        'test "$(psql -tAc "select count(*) from product")" = 200',
        'test "$TOLD" = "a secret"',
        "! touch /sql/new",
        "test ! -e /media/mark && touch /media/new",
        "test ! -e /uploads/mark && touch /uploads/new",
        "test -s /host/name && test -d /host/app && test ! -e /host/app/.env.prod",
        "test ! -e /var/run/docker.sock",
        *(f"! PGCONNECT_TIMEOUT=2 psql -h {address} -c 'select 1'" for address in unreachable),
    ]
    script = "set -x; " + " && ".join(f"{{ {test}; }}" for test in tests)
    run = shop.with_policy(database=f"check: {json.dumps(['sh', '-c', script])}")
    receipt = play(shop, shop.stage(2, sql=ADD, check=None), run)
    assert receipt.new is not None
    assert receipt.new.passed is True, receipt.new.reason
    assert receipt.proves_return, receipt.old


def test_a_tool_that_asks_the_database_is_asked_on_the_copy(shop: SmallShop) -> None:
    asks = """revisions: [psql, -qtAc, "select 'after ' || version_num from alembic_version"]"""
    run = shop.with_policy(migration=f"{COMMAND}, {asks}, sql: [cat, /sql/up.sql]")
    receipt = play(shop, shop.stage(2, sql=ADD, check=READS_NOTE), run, asks=True)
    assert receipt.asked is not None
    assert [one.id for one in receipt.asked.pending or ()] == ["after 0001"]
    assert receipt.asked.rendered.text == ADD
    assert receipt.migrated, receipt.reason
    run = shop.with_policy(migration=f"{COMMAND}, revisions: [psql, -c, 'select no_such_function()']")
    receipt = play(shop, shop.stage(2, sql=ADD, check=READS_NOTE), run, asks=True)
    assert receipt.asked is not None
    assert receipt.asked.pending is None
    assert "no_such_function" in receipt.asked.why
    assert receipt.migrated, receipt.reason


def test_an_application_that_migrates_at_boot(shop: SmallShop) -> None:
    run = shop.with_policy(migration="at_boot: true")
    start = f"psql -q -v ON_ERROR_STOP=1 -f /sql/up.sql && {SLEEP}"
    receipt = play(shop, shop.stage(2, sql=ADD, start=start), run)
    assert receipt.migrated
    assert receipt.revision_after == "0002"
    assert receipt.proves_return
    receipt = play(shop, shop.stage(2, sql="select no_such_function();", start=start), run)
    assert not receipt.migrated
    assert "no_such_function" in receipt.reason
    assert receipt.old is None


def test_a_service_without_health_check_proves_nothing(shop: SmallShop) -> None:
    receipt = play(shop, shop.stage(2, sql=ADD, check=None))
    assert receipt.new is not None
    assert receipt.new.passed is None
    assert "app has no health check" in receipt.new.reason
    assert receipt.proves_return


def test_nothing_is_left_of_a_rehearsal_that_was_killed(shop: SmallShop) -> None:
    slow = shop.stage(3, sql="select pg_sleep(600);")
    process = multiprocessing.get_context("spawn").Process(
        target=play_alone, args=(shop.server, shop.dump(), slow, shop.previous), daemon=True
    )
    process.start()
    named = ("docker", "ps", "--filter", "label=sluice.rehearsal", "--format", "{{.Names}}")
    wait_until(lambda: "migrate" in shop.server.run(named).stdout, "the migration's container", seconds=300)
    process.kill()
    process.join()
    assert left(shop) != []
    receipt = play(shop, shop.stage(2, sql=ADD, check=READS_NOTE))
    assert receipt.proves_return


def play_alone(server: Server, backup: BackupReceipt, manifest: Manifest, previous: Manifest) -> None:
    """Rehearse in a process of its own, to be killed."""
    rehearse.fn(
        run_on(server),
        host="prod",
        backup=backup,
        release=manifest.release,
        manifest=manifest,
        previous=previous,
        name="shop-prod-1",
    )


def test_a_downgrade_is_tried_on_a_copy(shop: SmallShop) -> None:
    back = ["psql", "-qv", "ON_ERROR_STOP=1", "-c", "update alembic_version set version_num = '{revision}'"]
    run = shop.with_policy(migration=f"{COMMAND}, downgrade: {json.dumps(back)}")
    backup, manifest = shop.dump(), shop.stage(2)
    with open_copy(run, name="back", backup=backup, host="prod") as copy:
        outcome = downgrade_on_copy(run, copy=copy, manifest=manifest, to_revision="0000", name="back")
        assert outcome.ok, outcome.reason
        assert ask_copy(run, copy, "select version_num from alembic_version") == [["0000"]]
        ask_copy(run, copy, "drop table alembic_version")
        outcome = downgrade_on_copy(run, copy=copy, manifest=manifest, to_revision="0000", name="back")
        assert not outcome.ok
        assert "alembic_version" in outcome.reason
