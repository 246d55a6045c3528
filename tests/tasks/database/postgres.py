"""A live database on a server of the lab, as compose would have started it, and a run that knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from blocks.pipeline import load_pipeline
from blocks.values.receipts import BackupReceipt
from tasks.database.engine.protocols import Login
from tasks.database.postgresql import dumps
from tasks.host.scripts import dump
from tasks.kernel.clock import utc_now
from tasks.kernel.protocols import Call, Host, Limits
from tasks.steps.run import Run
from tests.lab.connect import connect
from tests.lab.server import Server
from tests.samples.runs import APP, run_of

PIPELINE = """
pipeline: shop
registry: main
backup: {{service: db{backup}}}
environments:
  prod:
    hosts: [{host}]
    address: http://localhost:8080
    branches: [main]
    database: {{{database}}}
"""
PASSWORD = 'it\'s a "secret" $HOME `x` #1'
ENVIRONMENT = {
    "POSTGRES_USER": "shop",
    "POSTGRES_DB": "store",
    "POSTGRES_PASSWORD": PASSWORD,
    "POSTGRES_INITDB_ARGS": "--data-checksums",
    "LEFT_OUT": "1",
}


def run_on(server: Server, *others: Server, backup: str = "", database: str = "") -> Run:
    """Return a run whose environment is one server; further servers are known to it too."""
    hosts = {one.name: connect(one) for one in (server, *others)}
    return run_with(hosts, backup=backup, database=database)


def run_with(hosts: Mapping[str, Host], *, backup: str = "", database: str = "") -> Run:
    """Return a run whose environment is the first of some hosts."""
    text = PIPELINE.format(host=next(iter(hosts)), backup=backup, database=database)
    return run_of(load_pipeline(text, "pipeline.yaml"), hosts=hosts)


@dataclass(frozen=True)
class LiveDatabase:
    """A running database.

    Attributes:
        server: Where it runs.
        container: Its container.
    """

    server: Server
    container: str

    def sql(self, text: str) -> str:
        """Run SQL in it as root of the server; return what it prints."""
        words = ("docker", "exec", "-i", self.container, *dumps.query(Login()))
        return self.server.run(words, stdin=text).stdout

    def dump(self, run: Run, name: str = "one", *options: str) -> BackupReceipt:
        """Dump it to a file of the server, as the step does; with options of pg_dump, not quite."""
        host = run.hosts[self.server.name]
        path = f"{APP}/backups/{name}.dump"
        doctored = ("pg_dump", "--format=custom", "--username=shop", "--dbname=store", *options)
        inner = ("docker", "exec", "-i", self.container, *(doctored if options else dumps.dump(Login())))
        done = host.run(Call(dump(path, inner), limits=Limits(300, 300)))
        assert done.ok, done.stderr
        checksum, size = done.stdout.split()
        return BackupReceipt(
            host=host.name,
            path=path,
            bytes=int(size),
            sha256=checksum,
            entries=1,
            tables=1,
            revision=self.revision(),
            taken_at=utc_now(),
            seconds=done.seconds,
        )

    def wait(self) -> None:
        """Wait until it accepts logins over the network, which it does only when it is set up."""
        waiting = "until pg_isready -q -h 127.0.0.1 -U shop; do sleep 0.2; done"
        self.server.run(("docker", "exec", self.container, "timeout", "300", "sh", "-c", waiting))

    def revision(self) -> str | None:
        """Return the schema revision it has."""
        there = self.sql("select to_regclass('alembic_version') is not null").strip() == "t"
        return (self.sql("select version_num from alembic_version").strip() or None) if there else None


@contextmanager
def live_database(
    server: Server, *options: str, environment: Mapping[str, str] = ENVIRONMENT
) -> Iterator[LiveDatabase]:
    """Start a database on a server, labelled and named as compose would; remove it at the end.

    Args:
        server: The server.
        options: What else `docker run` is given.
        environment: The image's variables.
    """
    container, network = "shop-db-1", "shop_default"
    server.run(("docker", "rm", "--force", "--volumes", container), check=False)
    server.run(("docker", "network", "create", network), check=False)
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "db",
        "com.docker.compose.oneoff": "False",
    }
    words = (
        *("docker", "run", "--detach", "--name", container, "--network", network, "--network-alias", "db"),
        *(f"--label={key}={value}" for key, value in labels.items()),
        *(f"--env={key}={value}" for key, value in environment.items()),
        *options,
        *("postgres:17", "-c", "fsync=off"),
    )
    server.run(words)
    live = LiveDatabase(server, container)
    try:
        live.wait()
        yield live
    finally:
        server.run(("docker", "rm", "--force", "--volumes", container), check=False)
        server.run(("docker", "network", "rm", network), check=False)
        server.run(("rm", "-rf", f"{APP}/backups"), check=False)
