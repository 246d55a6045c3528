"""The example shop rehearsed on a server of the lab: Alembic's migrations, its own images, its own health check."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from blocks.values.evidence import RehearsalReceipt
from blocks.values.manifests import Manifest
from blocks.values.receipts import BackupReceipt
from tasks.database.copies import ask_copy, open_copy
from tasks.database.rehearse import downgrade_on_copy, rehearse
from tasks.kernel.protocols import Call, Limits
from tasks.steps.run import Run
from tests.flows.domain.samples import manifest, release
from tests.lab.lab import Lab
from tests.lab.scene import write_env_files
from tests.lab.server import Server
from tests.lab.shell import run as run_here
from tests.lab.shop_repository import ShopRepository
from tests.samples.runs import APP, reach
from tests.tasks.database.postgres import LiveDatabase

pytestmark = pytest.mark.timeout(1800)

OVERRIDE = """
services:
  backend: {{image: "{image}", build: !reset null}}
  worker: {{image: "{image}", build: !reset null}}
  scheduler: {{image: "{image}", build: !reset null}}
  frontend: {{image: "nginx:1.26", build: !reset null}}
"""
DROP = '''"""descriptions live elsewhere now"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_column("products", "description")


def downgrade() -> None:
    raise NotImplementedError("what was dropped cannot be brought back")
'''


@dataclass
class Shop:
    """The shop's first version, running.

    Attributes:
        server: Where.
        run: A run that knows it.
        releases: Version → the release, staged.
    """

    server: Server
    run: Run
    releases: dict[str, Manifest]

    @property
    def database(self) -> LiveDatabase:
        """Its database."""
        return LiveDatabase(self.server, "shop-db-1")

    def play(self, version: str, previous: str, backup: BackupReceipt) -> RehearsalReceipt:
        """Rehearse a version where another one runs, without flow around it."""
        one = self.releases[version]
        return rehearse.fn(
            self.run,
            host=self.server.name,
            backup=backup,
            release=one.release,
            manifest=one,
            previous=self.releases[previous],
            name="shop-prod-1",
        )


def build(server: Server, shop: ShopRepository, version: str) -> str:
    """Build the backend as it is in the clone and bring the image to the server; return its name."""
    image = f"rehearsal-backend:{version}"
    run_here(
        ("docker", "build", "--quiet", "--network=host", "--tag", image, str(shop.work / "backend")),
        timeout_seconds=900,
    )
    into = ("docker", "exec", "--interactive", server.container, "docker", "load", "--quiet")
    with subprocess.Popen(("docker", "save", image), stdout=subprocess.PIPE) as saving:
        subprocess.run(into, stdin=saving.stdout, check=True, capture_output=True)
    run_here(("docker", "rmi", image), check=False)
    return image


def stage(run: Run, shop: ShopRepository, number: int, image: str) -> Manifest:
    """Put the clone's bundle on the server, pinned to an image."""
    one = release(id=f"2026112105330{number}-1f3c2ab00000")
    there, folder = run.hosts[run.primary], f"{APP}/releases/{one.id}"
    there.write_file(f"{folder}/compose.yaml", (shop.work / "compose.yaml").read_bytes())
    there.write_file(f"{folder}/sluice.override.yaml", OVERRIDE.format(image=image).encode())
    there.run(Call(("ln", "-sfn", "../../.env.prod", f"{folder}/.env")))
    return manifest(
        number,
        release=one,
        compose_files=("compose.yaml", "sluice.override.yaml"),
        env_file=".env.prod",
        services=("backend", "db"),
    )


def versions(server: Server, run: Run, shop: ShopRepository) -> dict[str, Manifest]:
    """Stage the shop's first version, the one with an additive migration, and one that drops a column."""
    found = {"v1": stage(run, shop, 1, build(server, shop, "v1"))}
    shop.advance("v2")
    found["v2"] = stage(run, shop, 2, build(server, shop, "v2"))
    models = shop.work / "backend/shop/models.py"
    models.write_text(models.read_text().replace("    description: Mapped[str]\n", ""))
    shop.commit_file(
        "backend/migrations/versions/0004_no_descriptions.py", DROP, "Descriptions live elsewhere"
    )
    found["dropped"] = stage(run, shop, 3, build(server, shop, "dropped"))
    return found


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    server = lab.servers["prod"]
    server.reset()
    write_env_files({"prod": server})
    repository = ShopRepository.create(tmp_path_factory.mktemp("shop"))
    run = reach((repository.work / "pipeline.yaml").read_text(), server)
    running = Shop(server, run, versions(server, run, repository))
    first = running.releases["v1"]
    project = run.app("prod").project(first, current=False)
    for argv in (
        (*project.up("db"), "--wait", "--wait-timeout=120"),
        project.run_once("backend", ("alembic", "upgrade", "head"), name="first", no_deps=True),
        (*project.up("backend"), "--wait", "--wait-timeout=200"),
    ):
        done = run.hosts["prod"].run(Call(argv, limits=Limits(400, 400)))
        assert done.ok, done.stderr
    megabytes = int(os.environ.get("SLUICE_TEST_BALLAST_MB", "1"))
    running.database.sql(
        "create table ballast as select n as id, md5(n::text) || md5((n * 7)::text) as a "
        f"from generate_series(1, {megabytes * 8300}) as n"
    )
    yield running
    server.reset()


def test_an_additive_migration_proves_the_way_back(shop: Shop) -> None:
    receipt = shop.play("v2", "v1", shop.database.dump(shop.run))
    assert receipt.migrated, receipt.reason
    assert (receipt.revision_before, receipt.revision_after) == ("0002", "0003")
    assert receipt.new is not None
    assert receipt.new.passed is True, receipt.new.reason
    assert receipt.proves_return, receipt.old
    assert receipt.drill.rows > 1000
    assert shop.database.revision() == "0002"


def test_a_dropped_column_breaks_the_running_release(shop: Shop) -> None:
    receipt = shop.play("dropped", "v1", shop.database.dump(shop.run))
    assert receipt.migrated, receipt.reason
    assert receipt.revision_after == "0004"
    assert receipt.new is not None
    assert receipt.new.passed is True, receipt.new.reason
    assert receipt.old is not None
    assert receipt.old.passed is False
    assert "database unavailable" in receipt.old.reason
    assert not receipt.proves_return


def test_alembic_s_way_back(shop: Shop) -> None:
    backup = shop.database.dump(shop.run)
    with open_copy(shop.run, name="back", backup=backup, host="prod") as copy:
        newest = shop.releases["dropped"]
        back = downgrade_on_copy(shop.run, copy=copy, manifest=newest, to_revision="0001", name="back")
        assert back.ok, back.reason
        assert ask_copy(shop.run, copy, "select version_num from alembic_version") == [["0001"]]
        nowhere = downgrade_on_copy(shop.run, copy=copy, manifest=newest, to_revision="0009", name="back")
        assert not nowhere.ok
        assert "0009" in nowhere.reason
    assert shop.database.revision() == "0002"
