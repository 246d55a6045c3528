"""A column goes away: refused together with the code that stops using it, and done right in steps, on real servers."""

from __future__ import annotations

import pytest

from blocks.values.lifecycle import Status
from blocks.values.schema_changes import Risk
from tasks.ledger.records import PromotionRecord
from tests.flows.stories import attempt, query
from tests.lab.repository import git
from tests.lab.scene import Scene
from tests.lab.shop_repository import secret_key

pytestmark = pytest.mark.timeout(1800)

RULES = "database: {rehearse: true, retired_for: 1s}\n"
CONTRACT = '''"""no gift notes"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_column("orders", "gift_note")
'''
ENV = "backend/migrations/env.py"
# Runs whenever migrations are printed, which is before anybody approved.
HOSTILE = """
import psycopg

print("-- key:", os.environ["SHOP_SECRET_KEY"])
try:
    with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", ""), connect_timeout=5) as live:
        live.execute("DELETE FROM orders")
except psycopg.Error:
    pass
"""
MIGRATION = "backend/migrations/versions/0004_no_gift_notes.py"


def last(scene: Scene) -> PromotionRecord:
    return scene.promotions("feature")[0]


@pytest.fixture(scope="module")
def with_notes(scene: Scene) -> Scene:
    """The shop with its gift notes running in feature, one order with a note in it."""
    text = (scene.shop.work / "pipeline.yaml").read_text()
    scene.shop.commit_file(
        "pipeline.yaml", text.replace("environments:", f"{RULES}environments:"), "Rehearse"
    )
    before = scene.shop.head
    assert attempt()[0] == "Completed"
    scene.shop.advance("v2")
    assert attempt()[0] == "Completed"
    query(
        scene,
        "INSERT INTO orders (product_id, quantity, total_cents, email, status, gift_note) "
        "SELECT id, 1, price_cents, 'a@example.com', 'paid', 'with love' FROM products LIMIT 1",
    )
    git(scene.shop.work, "tag", "without-notes", before)
    return scene


def test_an_additive_migration_is_rehearsed_and_comes_in(with_notes: Scene) -> None:
    plan = last(with_notes).plan
    assert plan is not None
    assert [(verdict.revision, verdict.risk) for verdict in plan.verdicts] == [("0003", Risk.ADDITIVE)]
    assert "ALTER TABLE orders ADD COLUMN gift_note TEXT" in plan.verdicts[0].sql
    assert plan.rehearsal is not None
    assert plan.rehearsal.drill.passed
    assert plan.rehearsal.proves_return
    with with_notes.ledger() as ledger:
        drills = ledger.drills.of("shop", "feature")
    # The dump of the rehearsal, and the dump of the migration.
    assert [record.passed for record in drills] == [True, True]


def test_a_column_does_not_go_together_with_the_code_that_used_it(with_notes: Scene) -> None:
    orders = query(with_notes, "SELECT count(*) FROM orders")
    shop, before = with_notes.shop, with_notes.shop.head
    git(shop.work, "checkout", "--quiet", "without-notes", "--", "backend/shop", "frontend")
    (shop.work / ENV).write_text((shop.work / ENV).read_text() + HOSTILE)
    shop.commit_file(MIGRATION, CONTRACT, "Gift notes go away, all at once")
    name, message = attempt()
    assert name == "Refused"
    assert "0004 is destructive" in message
    assert "DROP COLUMN gift_note" in message
    assert "Expand and contract" in message
    assert query(with_notes, "SELECT version_num FROM alembic_version") == ["0003"]
    # What the commit tried while its plan was made reached nothing, and knew nothing but examples.
    assert query(with_notes, "SELECT count(*) FROM orders") == orders
    plan = last(with_notes).plan
    assert plan is not None
    assert "-- key: changethis" in plan.verdicts[0].sql
    assert secret_key("feature") not in plan.to_json() + message
    assert with_notes.serves("feature")["version"] == "1.1.0"
    rehearsal = plan.rehearsal
    assert rehearsal is not None
    assert rehearsal.old is not None
    assert rehearsal.old.passed is False
    (shop.work / MIGRATION).unlink()
    git(shop.work, "checkout", "--quiet", before, "--", "backend", "frontend")
    shop.commit_all("Gift notes stay for now")


def test_in_steps_it_goes_and_nothing_is_lost(with_notes: Scene) -> None:
    shop, orders = with_notes.shop, query(with_notes, "SELECT count(*) FROM orders")
    git(shop.work, "checkout", "--quiet", "without-notes", "--", "backend/shop", "frontend")
    shop.commit_all("Nothing reads or writes gift notes any more")
    assert attempt()[0] == "Completed"
    assert with_notes.serves("feature")["version"] == "1.0.0"
    shop.commit_file(MIGRATION, CONTRACT, "Gift notes go away")
    assert attempt()[0] == "Completed"
    assert last(with_notes).status is Status.SUCCEEDED
    assert query(with_notes, "SELECT version_num FROM alembic_version") == ["0004"]
    assert query(with_notes, "SELECT count(*) FROM orders") == orders
    columns = query(
        with_notes, "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders'"
    )
    assert "gift_note" not in columns
