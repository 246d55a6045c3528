"""The one scene all faults are played on: a ledger on PostgreSQL, an application with releases to go to and back."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from blocks.ledger_database import LedgerDatabase
from blocks.values.lifecycle import Status
from tasks.kernel.clock import utc_now
from tasks.ledger.connect import BLOCK
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tests.faults.orders import Orders
from tests.lab.lab import Lab
from tests.lab.scene import Scene, Stage, open_stage
from tests.lab.server import Server
from tests.lab.settings import Settings
from tests.lab.shell import LabError, run, wait_until

PIPELINE, ENVIRONMENT = "shop", "feature"
LEDGER_HOST_NUMBER = 5
START_SECONDS = 60
BALLAST_ROWS = 250_000

# What releases differ in; each begins from the first one's text.
_EDITED = ("backend/shop/api.py", "pipeline.yaml")
_VERSION = "backend/shop/__init__.py"
_BASE = "0002"
_MIGRATION = '''"""A table of its own, and a column of one that a session may have locked."""

import sqlalchemy as sa
from alembic import op

revision = "f{number:03}"
down_revision = "{before}"


def upgrade() -> None:
    op.create_table("fault_{number:03}", sa.Column("id", sa.Integer, primary_key=True))
    op.add_column("ballast", sa.Column("fault_{number:03}", sa.Integer, nullable=True))


def downgrade() -> None:
    op.drop_column("ballast", "fault_{number:03}")
    op.drop_table("fault_{number:03}")
'''
_BALLAST = (
    f"create table ballast as select n as id, md5(n::text) || md5((n * 7)::text) as text "
    f"from generate_series(1, {BALLAST_ROWS}) as n"
)


@dataclass(frozen=True)
class LedgerServer:
    """A PostgreSQL server with the ledger, which can be taken away and brought back with what it holds.

    Attributes:
        url: The ledger's SQLAlchemy URL.
        container: The container it runs in.
    """

    url: str
    container: str

    def stop(self) -> None:
        """Kill it, as a crash would."""
        run(("docker", "kill", self.container))

    def start(self) -> None:
        """Start it again, unless it runs, and wait until it answers."""
        run(("docker", "start", self.container))
        wait_until(self.answers, "the ledger's first answer", seconds=START_SECONDS)

    def answers(self) -> bool:
        """Say whether it takes a login over the network."""
        argv = ("docker", "exec", self.container, "pg_isready", "-q", "-h", "127.0.0.1", "-U", "ledger")
        return run(argv, check=False).returncode == 0


@contextmanager
def ledger_server(settings: Settings) -> Iterator[LedgerServer]:
    """Run a PostgreSQL server on the lab's network, under an address that it keeps."""
    name, password = f"{settings.name}-ledger", secrets.token_urlsafe(12)
    address = str(settings.host_address(LEDGER_HOST_NUMBER))
    run(("docker", "rm", "--force", "--volumes", name), check=False)
    where = ("--label", settings.label, "--network", settings.name, "--ip", address)
    login = ("--env", "POSTGRES_USER=ledger", "--env", "POSTGRES_PASSWORD")
    argv = (
        "docker",
        "run",
        "--detach",
        "--name",
        name,
        *where,
        *login,
        "postgres:17",
        "-c",
        "max_connections=200",
    )
    run(argv, env={"POSTGRES_PASSWORD": password})
    server = LedgerServer(f"postgresql+psycopg://ledger:{password}@{address}:5432/ledger", name)
    try:
        wait_until(server.answers, "the ledger's first answer", seconds=START_SECONDS)
        yield server
    finally:
        run(("docker", "rm", "--force", "--volumes", name), check=False)


@dataclass
class Setting:
    """Where the faults are played.

    Attributes:
        stage: The lab with its control plane.
        ledger_server: The ledger's database server.
        orders: What the processes of runs are ordered to do.
        scene: The scene as it is set now.
        commits: How many commits the harness has made.
        migrations: The revisions it has added, oldest first.
        versions: Commit → the version its application answers.
    """

    stage: Stage
    ledger_server: LedgerServer
    orders: Orders
    scene: Scene = field(init=False)
    commits: int = 0
    migrations: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def server(self) -> Server:
        """The server the application runs on."""
        return self.scene.lab.servers[ENVIRONMENT]

    @property
    def version(self) -> str:
        """The version that the application of the newest commit answers."""
        return f"1.0.{self.commits}"

    def version_of(self, promotion: PromotionRecord) -> str:
        """Return the version that the application answers where a promotion's release runs."""
        release = self.ledger.releases.get(promotion.release_id or "")
        return self.versions.get(release.commit.sha, "") if release else ""

    @property
    def head(self) -> str:
        """The schema revision of the newest commit."""
        return self.migrations[-1] if self.migrations else _BASE

    def set_scene(self) -> None:
        """Set a fresh scene with a first release, and give its database something to dump."""
        self.commits, self.migrations = 0, []
        self.orders.clear()
        self.ledger_server.start()
        self.scene = self.stage.set_scene()
        self._originals = {path: (self.scene.shop.work / path).read_text() for path in _EDITED}
        self.versions = {self.scene.shop.head: self.version}
        name = f"scene_{secrets.token_hex(4)}"
        run(("docker", "exec", self.ledger_server.container, "createdb", "-U", "ledger", name))
        url = self.ledger_server.url.rpartition("/")[0] + f"/{name}"
        LedgerDatabase(url=SecretStr(url)).save(BLOCK, overwrite=True)
        self._ledger = Ledger.open(url)
        ended = self.scene.promote(ENVIRONMENT)
        if ended["state"]["name"] != "Completed":
            raise LabError(f"the first release did not come up: {ended['state']['message']}")
        self.psql(_BALLAST)

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return self._ledger

    def promotions(self) -> list[PromotionRecord]:
        """Return the environment's promotions, newest first."""
        return self.ledger.promotions.history(PIPELINE, ENVIRONMENT, limit=1000)

    def running(self) -> PromotionRecord | None:
        """Return the promotion whose release the ledger says runs."""
        return self.ledger.promotions.running(PIPELINE, ENVIRONMENT)

    def next_release(self, *, migrates: bool = True, edit: Callable[[Path], None] | None = None) -> str:
        """Commit a change of the code, and a migration unless not asked for; return the commit."""
        self.commits += 1
        work = self.scene.shop.work
        if migrates:
            text = _MIGRATION.format(number=self.commits, before=self.head)
            self.migrations.append(f"f{self.commits:03}")
            (work / f"backend/migrations/versions/{self.head}_fault.py").write_text(text)
        for path, text in self._originals.items():
            (work / path).write_text(text)
        (work / _VERSION).write_text(f'"""The shop."""\n\n__version__ = "{self.version}"\n')
        if edit is not None:
            edit(work)
        commit = self.scene.shop.commit_all(f"Change {self.commits}")
        self.versions[commit] = self.version
        return commit

    def let_in(self) -> None:
        """Take back every hold, as `sluice unhold` does."""
        self.ledger.holds.release(PIPELINE, ENVIRONMENT, "the next fault", "faults", utc_now())

    def psql(self, sql: str) -> str:
        """Ask the application's database; return what it says, one row a line."""
        argv = ("docker", "exec", "shop-db-1", "psql", "-U", "shop", "-tAq", "-c", sql)
        return self.server.run(argv).stdout.strip()

    def good_before(self) -> PromotionRecord | None:
        """Return the newest good promotion of another release than the running one."""
        running = self.running()
        good = (row for row in self.promotions() if row.status is Status.SUCCEEDED)
        return next((row for row in good if running and row.release_id != running.release_id), None)


@contextmanager
def open_setting(home: Path) -> Iterator[Setting]:
    """Start the lab with one server, the ledger's server and the control plane; end all but the lab.

    Args:
        home: Sluice's home folder.
    """
    orders = Orders(home.with_name(f"{home.name}-orders"))
    orders.path.parent.mkdir(parents=True, exist_ok=True)
    orders.clear()
    lab = Lab.up((ENVIRONMENT,))
    with (
        ledger_server(lab.settings) as ledger,
        open_stage(lambda: lab, home=home, inherited={**os.environ, **orders.environment}) as stage,
    ):
        yield Setting(stage, ledger, orders)
