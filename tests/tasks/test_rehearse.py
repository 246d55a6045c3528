"""Rehearsals on a server of the lab: what they find, and that nothing live is touched or left over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from blocks.values.evidence import RehearsalReceipt
from blocks.values.manifests import Manifest
from tasks.rehearse import rehearse
from tasks.run import Run
from tests.lab.lab import Lab
from tests.tasks.small_shop import SmallShop, small_shop

pytestmark = pytest.mark.timeout(900)

ADD = "alter table product add column note text; update alembic_version set version_num = '0002';"
READS_NAME, READS_NOTE = "select name from product limit 1", "select note from product limit 1"


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
    receipt = play(shop, shop.stage(2, sql=ADD, check=READS_NOTE))
    assert receipt.migrated, receipt.reason
    assert (receipt.revision_before, receipt.revision_after) == ("0001", "0002")
    assert receipt.new is not None
    assert receipt.new.passed is True, receipt.new.reason
    assert receipt.proves_return
    assert receipt.drill.passed
