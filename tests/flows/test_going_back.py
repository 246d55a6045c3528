"""Going back across migrations on real servers: the code alone, by down-migrations, by a dump; and forward again."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.values.going_back import Way
from blocks.values.lifecycle import Status
from flows.promote import promote
from flows.rollback import rollback
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(1800)

VERSIONS = "backend/migrations/versions"
HEAD = '''"""{about}"""

from alembic import op

revision = "{revision}"
down_revision = "{down}"


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {back}
'''


def migration(scene: Scene, revision: str, down: str, up: str, back: str, about: str) -> None:
    """Commit a migration to `main`."""
    text = HEAD.format(about=about, revision=revision, down=down, up=up, back=back)
    scene.shop.commit_file(f"{VERSIONS}/{revision}_step.py", text, about)


def forward() -> None:
    state: State[Any] = promote("feature", requested_by="cleo", return_state=True)
    assert state.name == "Completed", state.message


def back(**wish: Any) -> tuple[str, str]:
    state: State[Any] = rollback("feature", return_state=True, **wish)
    return str(state.name), state.message or ""


def ask(scene: Scene, sql: str) -> list[str]:
    """Ask the database of feature."""
    argv = ("docker", "exec", "shop-db-1", "psql", "-U", "shop", "-tAc", sql)
    return scene.lab.servers["feature"].run(argv).stdout.split()


def unhold(scene: Scene) -> None:
    from tasks.run import utc_now

    with scene.ledger() as ledger:
        ledger.holds.release("shop", "feature", "the test goes on", "a test", utc_now())


def last_way(scene: Scene) -> Way:
    plan = scene.promotions("feature")[0].plan
    assert plan is not None
    assert plan.going_back is not None
    return plan.going_back.way


@pytest.fixture(scope="module")
def running(scene: Scene) -> Scene:
    """The first release runs in feature; what breaks it may come in, or there was nothing to go back from."""
    text = (scene.shop.work / "pipeline.yaml").read_text()
    scene.shop.commit_file("pipeline.yaml", text + "database: {destructive: allow}\n", "Anything may come in")
    forward()
    return scene


def test_an_additive_migration_lets_the_code_go_back_alone(running: Scene) -> None:
    migration(running, "0003", "0002", 'op.execute("alter table orders add note text")', "pass", "Notes")
    forward()
    placed = "insert into orders (product_id, quantity, total_cents, email, status, note) "
    ask(
        running,
        placed + "select 1, 1, 8900, 'a@example.com', 'paid', 'x' from generate_series(1, 20) returning 1",
    )
    backups = len(ledger_backups(running))
    name, message = back(reason="prices")
    assert name == "Completed", message
    assert last_way(running) is Way.CODE
    # Nothing was dumped or copied on the way, and no row is lost.
    assert len(ledger_backups(running)) == backups
    assert ask(running, "select count(note) from orders") == ["20"]
    assert ask(running, "select version_num from alembic_version") == ["0003"]
    unhold(running)
    forward()


def ledger_backups(scene: Scene) -> list[str]:
    with scene.ledger() as ledger:
        return [record.receipt.path for record in ledger.backups.of("shop", "feature")]


def test_a_destructive_migration_is_taken_back_where_that_loses_nothing(running: Scene) -> None:
    up = 'op.execute("alter table products drop description")'
    down = "op.execute(\"alter table products add description text not null default ''\")"
    migration(running, "0004", "0003", up, down, "No descriptions")
    forward()
    orders = ask(running, "select count(*), sum(total_cents) from orders")
    name, message = back(reason="they were wanted after all")
    assert name == "Completed", message
    assert last_way(running) is Way.DOWNGRADE
    assert "nothing lost" in message
    assert ask(running, "select version_num from alembic_version") == ["0003"]
    assert ask(running, "select count(*), sum(total_cents) from orders") == orders
    assert ask(running, "select datname from pg_database where datname like 'sluice%'") == []
    assert running.serves("feature")["status"] == "ok"
    unhold(running)


def test_a_downgrade_that_would_lose_rows_is_refused_and_nothing_touched(running: Scene) -> None:
    forward()
    up = "op.execute(\"create table reviews as select id, 'good' as text from orders; alter table orders drop note\")"
    down = 'op.execute("drop table reviews; alter table orders add note text")'
    migration(running, "0005", "0004", up, down, "Reviews")
    forward()
    name, message = back()
    assert name == "Refused", message
    assert "the down-migration would lose data: public.reviews with 20 rows" in message
    assert running.promotions("feature")[0].status is Status.REFUSED
    assert ask(running, "select version_num from alembic_version") == ["0005"]
    assert running.serves("feature")["status"] == "ok"
