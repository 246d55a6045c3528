"""Copies of a database, on a server of the lab: what they are like, and that nothing is left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from blocks.values.receipts import BackupReceipt
from tasks.adapters.ssh import SshHost
from tasks.database.copies import BrokenDumpError, ask_copy, open_copy
from tasks.database.live import ask_live
from tasks.host.read import read_containers
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, LineSink, Result
from tasks.steps.run import Run
from tests.lab.lab import Lab
from tests.lab.server import Server
from tests.tasks.database.postgres import PASSWORD, LiveDatabase, live_database, run_on

pytestmark = pytest.mark.timeout(1800)

SHOP = """
create role app login password 'app''s own';
create role "odd one" nologin;
create table product (id serial primary key, name text not null);
insert into product (name) select 'product ' || n from generate_series(1, 200) n;
create table alembic_version (version_num text);
insert into alembic_version values ('0002');
alter table product owner to app;
grant select on product to "odd one";
alter database store set statement_timeout = '123s';
"""


@pytest.fixture(scope="module")
def live(prod: Server) -> Iterator[LiveDatabase]:
    with live_database(prod) as database:
        database.sql(SHOP)
        yield database


@pytest.fixture(scope="module")
def run(prod: Server) -> Run:
    return run_on(prod)


@pytest.fixture(scope="module")
def backup(live: LiveDatabase, run: Run) -> BackupReceipt:
    return live.dump(run)


@pytest.fixture(autouse=True)
def nothing_is_left(prod: Server) -> Iterator[None]:
    """After each test the server holds nothing of a copy."""
    yield
    assert left(prod) == []


def left(server: Server) -> list[str]:
    """Return what is there of copies: containers, networks, volumes without owner, files."""
    listings = (
        ("docker", "ps", "--all", "--filter", "label=sluice.copy", "--format", "{{.Names}}"),
        ("docker", "network", "ls", "--filter", "label=sluice.copy", "--format", "{{.Name}}"),
        ("docker", "volume", "ls", "--filter", "dangling=true", "--format", "{{.Name}}"),
        ("find", "/home/deploy", "-path", "*/drills/*"),
    )
    found = [word for argv in listings for word in server.run(argv).stdout.split()]
    # A volume with a name belongs to an application that ran here; copies have none.
    return [word for word in found if not word.endswith("_db-data")]


class Watched(SshHost):
    """A host that remembers what went to it and what came back."""

    seen: list[str]

    @classmethod
    def of(cls, host: SshHost) -> Watched:
        found = cls.__new__(cls)
        vars(found).update(vars(host), seen=[])
        return found

    def run(self, call: Call, *, on_line: LineSink | None = None) -> Result:
        result = super().run(call, on_line=on_line)
        self.seen += [*call.argv, (call.stdin or b"").decode(), result.stdout, result.stderr]
        return result


def test_a_copy_holds_what_the_dump_held(live: LiveDatabase, run: Run, backup: BackupReceipt) -> None:
    with open_copy(run, name="one", backup=backup) as copy:
        assert (copy.user, copy.database, copy.service) == ("shop", "store", "db")
        assert copy.restore_errors == ()
        assert copy.restore_seconds > 0
        assert ask_copy(run, copy, "select count(*), max(name) from product") == [["200", "product 99"]]
        owner = "select tableowner from pg_tables where tablename = 'product'"
        assert ask_copy(run, copy, owner) == [["app"]]
        assert ask_copy(run, copy, "show statement_timeout") == [["123s"]]
        assert ask_copy(run, copy, "show fsync") == [["off"]]
        assert ask_copy(run, copy, "show data_checksums") == [["on"]]
        with pytest.raises(TerminalError, match='relation "nothing" does not exist'):
            ask_copy(run, copy, "select * from nothing")
        ask_copy(run, copy, "drop table product")
    assert ask_live(run, "select count(*) from product") == [["200"]]


def test_a_copy_is_apart_from_all_that_is_live(live: LiveDatabase, run: Run, backup: BackupReceipt) -> None:
    before = read_containers(run.hosts["prod"], "shop")
    with open_copy(run, name="one", backup=backup) as copy:
        assert read_containers(run.hosts["prod"], "shop") == before
        (facts,) = json.loads(live.server.run(("docker", "inspect", copy.container)).stdout)
        assert list(facts["NetworkSettings"]["Networks"]) == [copy.network]
        assert not facts["HostConfig"]["PortBindings"]
        assert facts["Config"]["Labels"]["sluice.copy"] == "shop/prod"
        assert not [label for label in facts["Config"]["Labels"] if label.startswith("com.docker.compose")]
        assert not [one for one in facts["Config"]["Env"] if one.startswith("LEFT_OUT")]
        (network,) = json.loads(live.server.run(("docker", "network", "inspect", copy.network)).stdout)
        assert network["Internal"]
        # The server itself would be there, with every port it publishes.
        gateway = network["IPAM"]["Config"][0]["Gateway"]
        tried = f"(exec 3<>/dev/tcp/{gateway}/22) 2>&1"
        words = (
            "docker",
            "run",
            "--rm",
            "--network",
            copy.network,
            "--entrypoint=bash",
            "postgres:17",
            "-c",
            tried,
        )
        assert "No route to host" in live.server.run(words, check=False).stdout


@pytest.mark.parametrize(("user", "password"), [("shop", PASSWORD), ("app", "app's own")])
def test_the_application_logs_in_to_a_copy_as_it_does_to_the_live_one(
    live: LiveDatabase, run: Run, backup: BackupReceipt, user: str, password: str
) -> None:
    with open_copy(run, name="one", backup=backup) as copy:
        for given, status in ((password, 0), ("wrong", 2)):
            words = ("docker", "run", "--rm", "--network", copy.network, "--env", f"PGPASSWORD={given}")
            query = ("psql", "-h", "db", "-U", user, "-d", "store", "-tAc", "select count(*) from product")
            done = live.server.run((*words, "postgres:17", *query), check=False)
            assert done.returncode == status, done.stderr
            assert done.stdout.strip() == ("200" if status == 0 else "")


def test_passwords_stay_on_the_host(run: Run, backup: BackupReceipt, live: LiveDatabase) -> None:
    host = run.hosts["prod"]
    assert isinstance(host, SshHost)
    watched = Watched.of(host)
    with open_copy(replace(run, hosts={"prod": watched}), name="one", backup=backup):
        pass
    text = "\n".join(watched.seen)
    assert "sluice-copy-start" in text
    assert PASSWORD not in text
    assert "SCRAM-SHA-256" not in text


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (("truncate", "--size=-100"), "has"),
        (("sh", "-c", 'printf X | dd of="$0" bs=1 seek=2000 conv=notrunc status=none'), "its checksum"),
        (("rm",), "is not on prod any more"),
    ],
    ids=["cut short", "one byte", "gone"],
)
def test_a_dump_that_is_not_what_was_written_is_found_out(
    live: LiveDatabase, run: Run, damage: tuple[str, ...], said: str
) -> None:
    broken = live.dump(run, "broken")
    live.server.run((*damage, broken.path))
    with pytest.raises(BrokenDumpError, match=said), open_copy(run, name="one", backup=broken):
        pass


def test_a_full_disk_is_told_before_anything_is_made(
    live: LiveDatabase, run: Run, backup: BackupReceipt
) -> None:
    try:
        live.server.fill_disk(10 * 2**20)
        with (
            pytest.raises(
                TerminalError, match=r"no room for a copy.* MiB are free .* are needed — free some"
            ),
            open_copy(run, name="one", backup=backup),
        ):
            pass
    finally:
        live.server.free_disk()


def test_a_teams_own_command_cannot_be_drilled(prod: Server, backup: BackupReceipt) -> None:
    own = run_on(prod, backup=", command: [make, dump]")
    with pytest.raises(TerminalError, match="backup.command"), open_copy(own, name="one", backup=backup):
        pass


def test_a_database_that_does_not_run_is_told(live: LiveDatabase, run: Run, backup: BackupReceipt) -> None:
    live.server.run(("docker", "stop", live.container))
    try:
        with (
            pytest.raises(TerminalError, match="no container of service db runs on prod"),
            open_copy(run, name="one", backup=backup),
        ):
            pass
        with pytest.raises(TerminalError, match="no container of service db runs on prod"):
            ask_live(run, "select 1")
    finally:
        live.server.run(("docker", "start", live.container))
        live.wait()


def test_a_container_of_that_name_that_is_not_ours_stays(
    live: LiveDatabase, run: Run, backup: BackupReceipt
) -> None:
    live.server.run(("docker", "run", "--detach", "--name", "sluice-copy-one", "postgres:17", "sleep", "600"))
    try:
        with (
            pytest.raises(TerminalError, match="its container was not started: .*already in use"),
            open_copy(run, name="one", backup=backup),
        ):
            pass
        assert live.server.run(("docker", "inspect", "sluice-copy-one"), check=False).returncode == 0
    finally:
        live.server.run(("docker", "rm", "--force", "--volumes", "sluice-copy-one"))


KILLED = """
import sys, time
from blocks.values.receipts import BackupReceipt
from tasks.database.copies import open_copy
from tests.lab.lab import Lab
from tests.tasks.database.postgres import run_on
backup = BackupReceipt.from_json(sys.argv[1])
with open_copy(run_on(Lab.up().servers["prod"]), name="killed", backup=backup):
    print("open", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_run_left_is_gone_after_the_next(
    live: LiveDatabase, run: Run, backup: BackupReceipt
) -> None:
    argv = (sys.executable, "-c", KILLED, backup.to_json())
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "open\n"
        killed.send_signal(signal.SIGKILL)
    assert left(live.server)[:2] == ["sluice-copy-killed", "sluice-copy-killed"]
    with open_copy(run, name="killed", backup=backup) as copy:
        assert ask_copy(run, copy, "select count(*) from product") == [["200"]]


def test_what_is_older_than_a_day_is_removed_whoever_left_it(
    live: LiveDatabase, run: Run, backup: BackupReceipt
) -> None:
    old = ("--label=sluice.copy=blog/prod", "--label=sluice.copy.since=1000")
    live.server.run(("docker", "network", "create", *old, "sluice-copy-old"))
    words = ("docker", "run", "--detach", "--network=sluice-copy-old", "postgres:17", "sleep", "600")
    attached = live.server.run(words).stdout.strip()
    live.server.run(
        ("docker", "run", "--detach", "--name=sluice-copy-old", *old, "postgres:17", "sleep", "600")
    )
    try:
        with open_copy(run, name="one", backup=backup) as copy:
            assert left(live.server) == [copy.container, copy.network]
    finally:
        live.server.run(("docker", "rm", "--force", "--volumes", attached))


def test_another_host_drills(lab: Lab, live: LiveDatabase, backup: BackupReceipt) -> None:
    away = lab.servers["staging"]
    run = run_on(live.server, away, database="drill_host: staging")
    with open_copy(run, name="one", backup=backup) as copy:
        assert copy.host == "staging"
        assert ask_copy(run, copy, "select count(*), max(name) from product") == [["200", "product 99"]]
        passwords = "select rolname from pg_authid where rolpassword is not null"
        assert ask_copy(run, copy, passwords) == []
        assert ask_copy(run, copy, "select count(*) from pg_roles where rolname in ('app', 'odd one')") == [
            ["2"]
        ]
        assert [word for word in left(live.server) if "copy" in word] == []
    assert [word for word in left(away) if "copy" in word or "drill" in word] == []


def test_user_and_password_may_come_from_files(lab: Lab) -> None:
    """As compose does it with secrets: the image gets paths in place of values."""
    server = lab.servers["feature"]
    server.run(("sh", "-c", 'printf %s "$1" > /srv/password', "sh", PASSWORD))
    files = {"POSTGRES_USER": "shop", "POSTGRES_DB": "", "POSTGRES_PASSWORD_FILE": "/run/secrets/password"}
    with live_database(server, "--volume=/srv/password:/run/secrets/password:ro", environment=files) as live:
        live.sql("create table one (n int); insert into one values (1)")
        run = run_on(server)
        with open_copy(run, name="one", backup=live.dump(run)) as copy:
            assert (copy.user, copy.database) == ("shop", "shop")
            words = ("docker", "run", "--rm", "--network", copy.network, "--env", f"PGPASSWORD={PASSWORD}")
            query = ("psql", "-h", "shop-db-1", "-U", "shop", "-tAc", "select n from one")
            assert server.run((*words, "postgres:17", *query)).stdout == "1\n"
    assert left(server) == []
