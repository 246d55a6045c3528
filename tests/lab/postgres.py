"""A throw-away PostgreSQL on the lab's engine, for tests of the ledger; needs neither servers nor registry."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tests.lab.engine import ensure_engine
from tests.lab.images.ensure import ensure_images
from tests.lab.settings import Settings
from tests.lab.shell import run, wait_until

START_SECONDS = 60
PORT = 5432
USER = "ledger"


@dataclass(frozen=True)
class Postgres:
    """A running database server that keeps nothing.

    Attributes:
        address: Its address, reachable from this machine.
        password: The password of user `ledger`, who may do everything.
        container: The container it runs in.
    """

    address: str
    password: str
    container: str

    def url(self, database: str = USER) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{USER}:{self.password}@{self.address}:{PORT}/{database}"

    def create_database(self) -> str:
        """Makes an empty database and gives its SQLAlchemy URL."""
        name = f"test_{secrets.token_hex(6)}"
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def answers(self) -> bool:
        """Whether it accepts a login over the network, which it does only when it is set up."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=self.address,
            port=PORT,
            user=USER,
            password=self.password,
            dbname=USER,
            connect_timeout=2,
            autocommit=True,
        )


@contextmanager
def throwaway_postgres(settings: Settings | None = None) -> Iterator[Postgres]:
    """Runs a PostgreSQL server as long as the block lasts.

    Args:
        settings: The lab's settings, from the environment by default.

    Yields:
        The server; its data are in memory.

    Raises:
        LabError: It did not start.
    """
    settings = settings or Settings()
    ensure_engine(settings.engine_directory)
    ensure_images(settings.cache)
    password = secrets.token_urlsafe(12)
    name = f"{settings.name}-postgres-{secrets.token_hex(3)}"
    run(
        (
            *("docker", "run", "--detach", "--rm", "--name", name, "--label", settings.label),
            *(
                "--tmpfs",
                "/var/lib/postgresql/data",
                "--env",
                f"POSTGRES_USER={USER}",
                "--env",
                "POSTGRES_PASSWORD",
            ),
            *("postgres:17", "-c", "fsync=off", "-c", "max_connections=300"),
        ),
        env={"POSTGRES_PASSWORD": password},
    )
    try:
        networks = run(("docker", "inspect", "--format", "{{json .NetworkSettings.Networks}}", name)).stdout
        server = Postgres(json.loads(networks)["bridge"]["IPAddress"], password, name)
        wait_until(server.answers, "the database's first answer", seconds=START_SECONDS)
        yield server
    finally:
        run(("docker", "rm", "--force", "--volumes", name), check=False)
