"""Going back across migrations on real servers: the code alone, by down-migrations, by a dump; and forward again."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.values.lifecycle import Status
from blocks.values.rollback import StrategyKind
from flows.domain.approvals.values import Refusal
from flows.promotion.flow import promote
from flows.rollback.flow import rollback
from flows.rollback.preview import preview_rollback
from tests.flows.stories import query
from tests.lab.scene import Scene
from tests.lab.shell import wait_until

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


def unhold(scene: Scene) -> None:
    from tasks.kernel.clock import utc_now

    with scene.ledger() as ledger:
        ledger.holds.release("shop", "feature", "the test goes on", "a test", utc_now())


def answer_what_was_asked_before(scene: Scene, run: str) -> None:
    """Answer the form of a restore after a push changed the policy: it counts for nothing, and is asked anew."""
    scene.suspended(run)
    opened = scene.plane.api.form(run)
    text = (scene.shop.work / "pipeline.yaml").read_text()
    assert "{required: 1, approvers: [ana, ben]}" in text
    text = text.replace("{required: 1, approvers: [ana, ben]}", "{required: 2, approvers: [ana, ben]}")
    scene.shop.commit_file("pipeline.yaml", text, "Two people are asked")
    scene.answer(run, "ana", form=opened)
    with scene.ledger() as ledger:
        row = scene.promotions("feature")[0].id
        wait_until(lambda: bool(ledger.approvals.of(row)), "the judged answer", seconds=300)
        (stale,) = ledger.approvals.of(row)
    assert (stale.approver, stale.counted, stale.plan_hash) == ("ana", False, opened["plan"])
    assert stale.refusal == Refusal.OTHER_PLAN
    scene.suspended(run)
    assert scene.plane.api.form(run)["plan"] == scene.promotions("feature")[0].plan_hash != opened["plan"]


def last_way(scene: Scene) -> StrategyKind:
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
    columns = "alter table orders add note text, add hint text not null default ''"
    up = f'op.execute("{columns}; create table spare (id int)")'
    migration(running, "0003", "0002", up, "pass", "Notes")
    forward()
    placed = "insert into orders (product_id, quantity, total_cents, email, status, note) "
    query(
        running,
        placed + "select 1, 1, 8900, 'a@example.com', 'paid', 'x' from generate_series(1, 20) returning 1",
    )
    backups = len(ledger_backups(running))
    # The images lie on the host: nothing of the way back needs the registry.
    running.lab.registry.stop()
    try:
        name, message = back(reason="prices")
    finally:
        running.lab.registry.start()
    assert name == "Completed", message
    assert last_way(running) is StrategyKind.CODE
    # Nothing was dumped or copied on the way, and no row is lost.
    assert len(ledger_backups(running)) == backups
    assert query(running, "select count(note) from orders") == ["20"]
    assert query(running, "select version_num from alembic_version") == ["0003"]
    unhold(running)
    forward()


def ledger_backups(scene: Scene) -> list[str]:
    with scene.ledger() as ledger:
        return [record.receipt.path for record in ledger.backups.of("shop", "feature")]


def test_a_destructive_migration_is_taken_back_where_that_loses_nothing(running: Scene) -> None:
    up = 'op.execute("alter table orders drop hint")'
    down = "op.execute(\"alter table orders add hint text not null default ''\")"
    migration(running, "0004", "0003", up, down, "No hints")
    forward()
    orders = query(running, "select count(*), sum(total_cents) from orders")
    name, message = back(reason="they were wanted after all")
    assert name == "Completed", message
    assert last_way(running) is StrategyKind.DOWNGRADE
    assert "nothing lost" in message
    assert query(running, "select version_num from alembic_version") == ["0003"]
    assert query(running, "select count(*), sum(total_cents) from orders") == orders
    assert query(running, "select datname from pg_database where datname like 'sluice%'") == []
    assert running.serves("feature")["status"] == "ok"
    unhold(running)


def test_down_migrations_that_fail_live_leave_the_database_as_it_was(running: Scene) -> None:
    forward()
    # On a copy fsync is off: it works there and nowhere else.
    fails = "do $$ begin if current_setting('fsync') = 'on' then raise exception 'not here'; end if; end $$"
    down = f'op.execute("{fails}")'
    migration(running, "0005", "0004", 'op.execute("alter table orders drop note")', down, "No notes")
    query(running, "update orders set note = null returning 1")
    forward()
    orders = query(running, "select count(*), sum(total_cents) from orders")
    name, message = back()
    assert name == "Restored", message
    assert "downgrade: alembic downgrade 0004 on feature failed" in message
    assert "not here" in message
    assert query(running, "select version_num from alembic_version") == ["0005"]
    assert query(running, "select count(*), sum(total_cents) from orders") == orders
    assert query(running, "select datname from pg_database where datname like 'sluice%'") == []
    assert running.serves("feature")["status"] == "ok"


def test_a_downgrade_that_would_lose_rows_is_refused_and_nothing_touched(running: Scene) -> None:
    up = "op.execute(\"create table reviews as select id, 'good' as text from orders; drop table spare\")"
    down = 'op.execute("drop table reviews; create table spare (id int)")'
    migration(running, "0006", "0005", up, down, "Reviews")
    forward()
    name, message = back()
    assert name == "Refused", message
    assert "the down-migration would lose data: public.reviews with 20 rows" in message
    assert running.promotions("feature")[0].status is Status.REFUSED
    assert query(running, "select version_num from alembic_version") == ["0006"]
    assert running.serves("feature")["status"] == "ok"


def test_what_a_restore_would_lose_is_told_without_acting(running: Scene) -> None:
    text = (running.shop.work / "pipeline.yaml").read_text()
    asked = "    env_file: [.env.feature, .env]\n"
    asking = asked + "    approvals: {required: 1, approvers: [ana, ben]}\n"
    assert asked in text
    running.shop.commit_file("pipeline.yaml", text.replace(asked, asking, 1), "People are asked")
    placed = "insert into orders (product_id, quantity, total_cents, email, status) "
    query(
        running, placed + "select 1, 1, 8900, 'b@example.com', 'paid' from generate_series(1, 3) returning 1"
    )
    query(running, "update products set price_cents = price_cents + 1 where id in (1, 2) returning 1")
    before = len(running.promotions("feature"))
    way = preview_rollback("feature").plan.going_back
    assert way is not None
    assert way.way is StrategyKind.FORBIDDEN
    assert way.loss is not None
    assert way.loss.source == "copy"
    lost = {one.table: (one.inserted, one.updated, one.deleted) for one in way.loss.tables}
    assert lost["public.reviews"] == (20, 0, 0)
    assert lost["public.orders"][0] == 3
    assert lost["public.products"] == (0, 2, 0)
    assert "--param allow_restore=true" in way.todo
    assert len(running.promotions("feature")) == before
    assert copies_left(running) == ""


def copies_left(scene: Scene) -> str:
    listing = ("docker", "ps", "-aq", "--filter", "label=sluice.copy")
    return scene.lab.servers["feature"].run(listing).stdout


def agreed(scene: Scene, **wish: Any) -> tuple[str, str]:
    """Start a rollback that asks, and answer yes as both people."""
    return said_yes(scene, scene.run("rollback/feature", environment="feature", requested_by="cleo", **wish))


def said_yes(scene: Scene, run: str) -> tuple[str, str]:
    for name in ("ana", "ben"):
        scene.suspended(run)
        assert query(scene, "select datname from pg_database where datname like 'sluice%'") == []
        scene.answer(run, name)
    ended = scene.ended(run)
    return ended["state"]["name"], ended["state"]["message"] or ""


def test_a_restore_that_people_agreed_to_and_its_undoing(running: Scene) -> None:
    wish = {"allow_restore": True, "reason": "reviews were a mistake"}
    run = running.run("rollback/feature", environment="feature", requested_by="cleo", **wish)
    answer_what_was_asked_before(running, run)
    name, message = said_yes(running, run)
    assert name == "Completed", message
    assert last_way(running) is StrategyKind.RESTORE
    assert query(running, "select version_num from alembic_version") == ["0005"]
    assert query(running, "select count(*) from orders") == ["20"]
    assert query(running, "select to_regclass('reviews') is null") == ["t"]
    assert query(running, "select datname from pg_database where datname like 'sluice%'") == []
    assert running.serves("feature")["status"] == "ok"
    assert "--param undo=true" in message

    name, message = agreed(running, undo=True)
    assert name == "Completed", message
    assert query(running, "select version_num from alembic_version") == ["0006"]
    assert query(running, "select count(*) from orders") == ["23"]
    assert query(running, "select count(*) from reviews") == ["20"]
    assert query(running, "select sum(price_cents) from products") == ["36842"]
    assert running.serves("feature")["status"] == "ok"
