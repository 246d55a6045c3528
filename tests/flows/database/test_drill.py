"""The weekly drill as a run: what it records, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from blocks.values.lifecycle import Kind
from blocks.values.receipts import BackupReceipt
from flows.database.drill import drill
from tasks.kernel.clock import utc_now
from tests.lab.scene import Scene
from tests.tasks.database.postgres import LiveDatabase, live_database, run_on

pytestmark = pytest.mark.timeout(1800)

SHOP = """
create table product (id serial primary key, name text not null);
insert into product (name) select 'product ' || n from generate_series(1, 50) n;
"""


@pytest.fixture(scope="module")
def live(scene: Scene) -> Iterator[LiveDatabase]:
    """A database in prod that no promotion started, which is all that a drill needs."""
    with live_database(scene.lab.servers["prod"]) as database:
        database.sql(SHOP)
        yield database


def ended(environment: str) -> tuple[str, str]:
    """Drill, and return how it ended: the state's name and its message."""
    state: State[Any] = drill(environment, return_state=True)
    return str(state.name), state.message or ""


def recorded(scene: Scene, live: LiveDatabase) -> BackupReceipt:
    """Dump the database and record it as a promotion would."""
    backup = live.dump(run_on(live.server))
    with scene.ledger() as ledger:
        row = ledger.promotions.open(
            pipeline="shop",
            environment="prod",
            kind=Kind.PROMOTE,
            ref="main",
            flow_run_id=None,
            requested_by="cleo",
            cause="",
            now=utc_now(),
        )
        ledger.backups.add(
            promotion_id=row.id, pipeline="shop", environment="prod", receipt=backup, now=utc_now()
        )
    return backup


def test_without_a_dump_it_says_so_and_tells_people(scene: Scene) -> None:
    name, message = ended("staging")
    assert name == "Failed"
    assert message.startswith("drill of staging: it has no dump yet — ")
    assert "it has no dump yet" in scene.inbox.messages[-1]["text"]


def test_the_newest_dump_is_drilled_and_the_time_recorded(scene: Scene, live: LiveDatabase) -> None:
    recorded(scene, live)
    told = len(scene.inbox.messages)
    name, message = ended("prod")
    assert name == "Completed", message
    assert message.startswith("the dump of prod of ")
    assert "1 tables, 50 rows" in message
    with scene.ledger() as ledger:
        (record,) = ledger.drills.of("shop", "prod")
    assert record.passed
    assert record.promotion_id is None
    assert len(scene.inbox.messages) == told
    with get_client(sync_client=True) as client:
        page = next(one for one in client.read_artifacts() if one.key == "drill-shop-prod")
    assert "the dump restores" in str(page.data)


def test_a_broken_dump_fails_the_run_and_people_are_told(scene: Scene, live: LiveDatabase) -> None:
    backup = recorded(scene, live)
    live.server.run(("truncate", "--size=-7", backup.path))
    name, message = ended("prod")
    assert name == "Failed"
    assert f"has {backup.bytes - 7} bytes, {backup.bytes} were written — take a new one" in message
    assert "\n" not in message
    assert "Drill failed: shop prod" in scene.inbox.messages[-1]["text"]
    with scene.ledger() as ledger:
        assert not ledger.drills.of("shop", "prod")[0].passed


def test_an_environment_nobody_knows(scene: Scene) -> None:
    name, message = ended("nowhere")
    assert name == "Failed"
    assert "environments are: feature, staging, prod" in message
