"""Dumps of a real database on a server of the lab: what they are, and that one cut short never passes for a dump."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from blocks.pipeline import Backup
from blocks.values.receipts import BackupReceipt
from tasks.database.backup import prune_backups, take_dump
from tasks.database.offsite import HostPlace, copy_dump
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError, TerminalError, TransientError
from tasks.kernel.protocols import Call, Fence, Limits
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.lease import FakeKeeper
from tests.lab.connect import connect
from tests.lab.lab import Lab
from tests.lab.server import Server
from tests.lab.shell import wait_until
from tests.samples.runs import APP
from tests.tasks.database.postgres import LiveDatabase, live_database, run_on
from tests.tasks.ledger.samples import bring, make_backup

pytestmark = pytest.mark.timeout(900)

# Hex digits are compressed to half their size, so a dump has some 25 MB.
SQL = """
create table alembic_version (version_num text);
insert into alembic_version values ('0002');
create table noise as
  select n, md5(random()::text) || md5(random()::text) || md5(random()::text) || md5(random()::text) as text
  from generate_series(1, 300000) n;
create table orders (n int);
insert into orders select generate_series(1, 10);
delete from orders where n = 1;
"""
CHANGES = 1 + 300_000 + 10 + 1
NAME = "prod-20261125T100000Z-before-20261125090000-1f3c2ab00000.dump"
PATH = f"{APP}/backups/{NAME}"
ENOUGH_BYTES = 2_000_000
BEGUN_BYTES = 100_000


@pytest.fixture(scope="module")
def live(prod: Server) -> Iterator[LiveDatabase]:
    with live_database(prod) as database:
        database.sql(SQL)
        # What a session did is in the statistics some time after it has ended.
        counted = "select coalesce(sum(n_tup_ins + n_tup_del), 0) from pg_stat_user_tables"
        wait_until(lambda: int(database.sql(counted)) == CHANGES, "the statistics", seconds=120)
        yield database


@pytest.fixture
def run(prod: Server, live: LiveDatabase, ledger: Ledger) -> Iterator[Run]:
    assert live.server is prod
    found = run_on(prod, backup=", keep: 2")
    found.hosts["prod"].raise_fence(Fence(APP, 1))
    yield replace(found, ledger=ledger, keeper=cast("Any", FakeKeeper()))
    prod.run(("rm", "-rf", f"{APP}/backups", "/home/deploy/copies"))


def files(server: Server, folder: str = f"{APP}/backups") -> list[str]:
    return sorted(server.run(("ls", "-1A", folder), check=False).stdout.split())


def size_of(server: Server, path: str) -> int:
    return int(server.run(("stat", "-c", "%s", path), check=False).stdout or 0)


# Stands before pg_dump and lets only so much through while it is there, so however slow the machine is, the dump is
# not over before something is done to it.
HOLDING = f"""#!/bin/sh
case "$*" in *--dbname=*) ;; *) exec /away/pg_dump "$@" ;; esac
rm -f /tmp/held && mkfifo /tmp/held
{{ head -c {BEGUN_BYTES}; while [ -e /away/pg_dump ]; do sleep 0.1 >/dev/null; done; cat; }} </tmp/held &
/away/pg_dump "$@" >/tmp/held
status=$?
wait
exit "$status"
"""
PUT = 'p=$(command -v pg_dump); mkdir -p /away; mv "$p" /away; cat > "$p"; chmod 755 "$p"'
TAKE_AWAY = 'mv /away/pg_dump "$(command -v pg_dump)"'


@contextmanager
def in_the_middle(server: Server, live: LiveDatabase, act: Callable[[], object]) -> Iterator[None]:
    """Hold the dump as soon as a part of it is on the disk, do something, and let it go on if it still can."""

    def wait() -> None:
        wait_until(
            lambda: size_of(server, f"{PATH}.part") == BEGUN_BYTES, "the dump's beginning", seconds=200
        )
        act()

    inside = ("docker", "exec", "-i", "-u", "0", live.container, "sh", "-c")
    server.run((*inside, PUT), stdin=HOLDING)
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        server.run((*inside, TAKE_AWAY))


def test_a_dump_is_what_its_receipt_says(run: Run, prod: Server) -> None:
    receipt = take_dump(run, host="prod", name=NAME)
    content = prod.run(("sha256sum", PATH)).stdout.split()[0]
    assert (receipt.path, receipt.sha256, receipt.bytes) == (PATH, content, size_of(prod, PATH))
    assert receipt.bytes > 2 * ENOUGH_BYTES
    assert receipt.revision == "0002"
    assert receipt.entries is not None
    assert receipt.entries > 3
    assert receipt.counters["public.orders"] == (10, 0, 1)
    assert receipt.counters["public.noise"] == (300_000, 0, 0)
    assert files(prod) == [NAME, f"{NAME}.json"]
    assert prod.run(("stat", "-c", "%a", PATH, f"{PATH}.json")).stdout.split() == ["600", "600"]
    assert prod.run(("head", "-c", "5", PATH)).stdout == "PGDMP"


def test_a_dump_is_taken_once_as_long_as_it_is_whole(run: Run, prod: Server) -> None:
    first = take_dump(run, host="prod", name=NAME)
    assert take_dump(run, host="prod", name=NAME) == first
    for damage in (
        ("truncate", "-s", "-1", PATH),
        ("rm", PATH),
        ("sh", "-c", 'printf x | dd of="$0" seek=9000 conv=notrunc', PATH),
    ):
        prod.run(damage)
        again = take_dump(run, host="prod", name=NAME)
        assert again.taken_at > first.taken_at
        assert prod.run(("sha256sum", PATH)).stdout.split()[0] == again.sha256


def test_a_dump_that_is_killed_in_the_middle(run: Run, prod: Server, live: LiveDatabase) -> None:
    def kill() -> None:
        prod.run(("pkill", "-KILL", "-x", "pg_dump"))

    with in_the_middle(prod, live, kill), pytest.raises(TerminalError) as failure:
        take_dump(run, host="prod", name=NAME)
    assert re.search("the dump on prod failed with status 137.*nothing was changed", str(failure.value))
    assert files(prod) == []
    assert take_dump(run, host="prod", name=NAME).entries


def test_a_database_that_ends_in_the_middle(run: Run, prod: Server, live: LiveDatabase) -> None:
    def end() -> None:
        prod.run(("pkill", "-KILL", "-x", "postgres"))

    with in_the_middle(prod, live, end):
        try:
            with pytest.raises(TerminalError, match="backup: the dump on prod failed with status"):
                take_dump(run, host="prod", name=NAME)
            assert files(prod) == []
        finally:
            # The engine may not have seen its end yet, and starts nothing that runs.
            prod.run(("docker", "restart", live.container))
            live.wait()


def test_a_disk_that_is_full_in_the_middle(run: Run, prod: Server) -> None:
    prod.fill_disk(leave_bytes=ENOUGH_BYTES)
    try:
        with pytest.raises(TerminalError, match="could not be written; is the disk full"):
            take_dump(run, host="prod", name=NAME)
    finally:
        prod.free_disk()
    assert files(prod) == []


def test_a_connection_that_is_cut_in_the_middle(run: Run, prod: Server, live: LiveDatabase) -> None:
    """The dump may end on the host by itself; without its receipt it does not count, and is taken again."""
    hosts = {"prod": connect(prod, dead_after_seconds=6.0, connect_seconds=10.0)}
    with in_the_middle(prod, live, prod.cut_network):
        try:
            with pytest.raises(TransientError, match="connection to prod"):
                take_dump(replace(run, hosts=hosts), host="prod", name=NAME)
        finally:
            prod.restore_network()
        assert f"{NAME}.json" not in files(prod)
    wait_until(
        lambda: not prod.run(("pgrep", "-x", "pg_dump"), check=False).stdout, "the dump's end", seconds=60
    )
    receipt = take_dump(run, host="prod", name=NAME)
    assert prod.run(("sha256sum", PATH)).stdout.split()[0] == receipt.sha256
    assert files(prod) == [NAME, f"{NAME}.json"]


def test_what_is_no_dump_is_found_out_when_it_is_read_back(
    run: Run, prod: Server, live: LiveDatabase
) -> None:
    """A program that writes something else and ends well: neither status nor checksum show that."""
    inside = ("docker", "exec", "-i", "-u", "0", live.container, "sh", "-c")
    prod.run(
        (*inside, 'p=$(command -v pg_dump); mv "$p" "$p.away"; cat > "$p"; chmod 755 "$p"'),
        stdin="#!/bin/sh\necho PGDMP\n",
    )
    try:
        with pytest.raises(TerminalError, match=f"{NAME} on prod cannot be read back"):
            take_dump(run, host="prod", name=NAME)
    finally:
        prod.run((*inside, 'p=$(command -v pg_dump); mv "$p.away" "$p"'))
    assert f"{NAME}.json" not in files(prod)
    assert take_dump(run, host="prod", name=NAME).entries


@pytest.fixture
def offsite(lab: Lab) -> Server:
    return lab.servers["staging"]


@pytest.fixture
def place(offsite: Server) -> Iterator[HostPlace]:
    host = connect(offsite, dead_after_seconds=6.0, connect_seconds=10.0)
    yield HostPlace(host, "/home/deploy/copies/prod", Limits(120, 120))
    offsite.run(("rm", "-rf", "/home/deploy/copies"))
    host.close()


def test_a_dump_is_copied_to_another_host(run: Run, offsite: Server, place: HostPlace) -> None:
    receipt = take_dump(run, host="prod", name=NAME)
    for _ in range(2):
        where = copy_dump(run.hosts["prod"], place, receipt, seconds=120)
        assert where == f"staging:{place.directory}/{NAME}"
        assert files(offsite, place.directory) == [NAME, f"{NAME}.json"]
    copied = f"{place.directory}/{NAME}"
    assert offsite.run(("sha256sum", copied)).stdout.split()[0] == receipt.sha256
    assert offsite.run(("stat", "-c", "%a", copied)).stdout.strip() == "600"
    kept = BackupReceipt.from_json(offsite.run(("cat", f"{copied}.json")).stdout)
    assert kept == receipt


@pytest.mark.parametrize("broken", ["source", "target", "full"])
def test_a_copy_that_is_cut_in_the_middle(
    run: Run, prod: Server, offsite: Server, place: HostPlace, broken: str
) -> None:
    receipt = take_dump(run, host="prod", name=NAME)
    source = connect(prod, dead_after_seconds=6.0, connect_seconds=10.0)
    faulty = prod if broken == "source" else offsite

    class Cutting(HostPlace):
        """Cuts a connection when the third piece comes."""

        def store(self, backup: BackupReceipt, pieces: Iterator[bytes], touch: Callable[[], None]) -> str:
            def watched() -> Iterator[bytes]:
                for number, piece in enumerate(pieces):
                    if number == 3:
                        faulty.fill_disk(100_000) if broken == "full" else faulty.cut_network()
                    yield piece

            return super().store(backup, watched(), touch)

    cutting = Cutting(place.host, place.directory, place.limits)
    try:
        with pytest.raises(SluiceError, match="connection to" if broken != "full" else "disk full"):
            copy_dump(source, cutting, receipt, seconds=120)
    finally:
        faulty.free_disk()
        faulty.restore_network()
    until = time.monotonic() + 60
    while files(offsite, place.directory) and time.monotonic() < until:
        # The far end of a cut connection notices it by itself, later.
        if broken == "target":
            break
        time.sleep(0.5)
    assert NAME not in files(offsite, place.directory)
    assert copy_dump(run.hosts["prod"], place, receipt, seconds=120)
    assert offsite.run(("sha256sum", f"{place.directory}/{NAME}")).stdout.split()[0] == receipt.sha256


def test_the_last_good_dump_stays(run: Run, prod: Server) -> None:
    """Four dumps: the ledger knows three, and the newest of these has lost a byte since."""
    number = bring(run.ledger, "one").id
    names = [f"prod-2026112{day}T100000Z-before-x.dump" for day in range(4)]
    for day, name in enumerate(names):
        receipt = make_backup(f"{APP}/backups/{name}")
        receipt = receipt.model_copy(
            update={"bytes": 5, "taken_at": datetime(2026, 11, 20 + day, 10, tzinfo=UTC)}
        )
        run.hosts["prod"].write_file(receipt.path, b"PGDMP")
        run.hosts["prod"].write_file(f"{receipt.path}.json", receipt.to_json().encode())
        if day < 3:
            run.ledger.backups.add(
                promotion_id=number, pipeline="shop", environment="prod", receipt=receipt, now=utc_now()
            )
    prod.run(("truncate", "-s", "4", f"{APP}/backups/{names[2]}"))
    prod.run(("touch", f"{APP}/backups/mine.dump"))
    narrow = run.policy.model_copy(update={"backup": Backup(service="db", keep=1, keep_days=1)})
    for _ in range(2):
        prune_backups(replace(run, policy=narrow), "prod")
        assert files(prod) == ["mine.dump", names[1], f"{names[1]}.json"]


def commands_of(title: str) -> list[str]:
    """Return the shell blocks of a section of docs/backups.md."""
    text = (Path(__file__).parents[3] / "docs/backups.md").read_text("utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)


def by_hand(run: Run, commands: str) -> str:
    """Type commands into a shell on the host; return what they print."""
    done = run.hosts["prod"].run(Call(("sh", "-c", f"set -e\n{commands}"), limits=Limits(120, 120)))
    assert done.ok, done.stderr
    return done.stdout


def test_the_commands_of_the_documentation_restore_a_dump(run: Run, live: LiveDatabase) -> None:
    beside, in_its_place, *_ = commands_of("Restore by hand")
    take_dump(run, host="prod", name=NAME)
    live.sql("insert into orders select generate_series(100, 199)")
    said = by_hand(run, beside)
    assert f"{NAME}: OK" in said
    assert "0002" in said
    assert live.sql("select count(*) from orders").strip() == "109"
    by_hand(run, in_its_place)
    assert live.sql("select count(*) from orders").strip() == "9"
    live.sql("drop database before_restore")
