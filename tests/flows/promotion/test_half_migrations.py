"""Migrations that end half-way on a real server: a known revision, written down, and the old release still serving."""

from __future__ import annotations

import threading
import time

import pytest

from blocks.values.lifecycle import Status
from tests.flows.stories import attempt, query
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(1800)

HEAD = '''"""{revision}"""

from alembic import op

revision = "{revision}"
down_revision = "{down}"


def upgrade() -> None:
{up}


def downgrade() -> None:
    pass
'''


def write(scene: Scene, revision: str, down: str, *statements: str, outside: bool = False) -> None:
    """Commit a migration; `outside` of a transaction where the statement needs that."""
    lines = [f'    op.execute("{statement}")' for statement in statements]
    if outside:
        lines = ["    with op.get_context().autocommit_block():", *(f"    {line}" for line in lines)]
    text = HEAD.format(revision=revision, down=down, up="\n".join(lines))
    scene.shop.commit_file(f"backend/migrations/versions/{revision}_step.py", text, f"Migration {revision}")


def failed_at(scene: Scene, revision: str) -> str:
    """See that the promotion failed, says where the database stands, and the old release serves; return its line."""
    name, message = attempt()
    assert name == "Failed", message
    row = scene.promotions("feature")[0]
    assert row.status is Status.FAILED
    assert f"at revision {revision}" in message
    with scene.ledger() as ledger:
        step = ledger.steps.get(row.id, "migrate", "feature")
    assert step is not None
    assert step.status == "failed"
    assert step.error is not None
    assert f"at revision {revision}" in step.error
    assert query(scene, "select version_num from alembic_version") == [revision]
    serves = scene.serves("feature")
    assert (serves["status"], serves["version"]) == ("ok", "1.0.0")
    return message


@pytest.fixture(scope="module")
def running(scene: Scene) -> Scene:
    """The first release runs in feature; whatever its migrations do may come in."""
    text = (scene.shop.work / "pipeline.yaml").read_text()
    scene.shop.commit_file("pipeline.yaml", text + "database: {destructive: allow}\n", "Anything may come in")
    assert attempt()[0] == "Completed"
    return scene


def test_the_second_of_three_fails(running: Scene) -> None:
    write(running, "0003", "0002", "create table one (id int)")
    write(running, "0004", "0003", "create table two (id int)", "select no_such_function()")
    write(running, "0005", "0004", "create table three (id int)")
    assert "no_such_function" in failed_at(running, "0003")
    tables = "select relname from pg_class where relname in ('one', 'two', 'three') order by relname"
    assert query(running, tables) == ["one"]
    # What was mended goes on from there.
    write(running, "0004", "0003", "create table two (id int)")
    assert attempt()[0] == "Completed"
    assert query(running, tables) == ["one", "three", "two"]


def test_an_index_that_is_made_concurrently_and_fails(running: Scene) -> None:
    query(running, "insert into one values (1), (1) returning 1")
    index = "create unique index concurrently one_id on one (id)"
    write(running, "0006", "0005", index, outside=True)
    assert "one_id" in failed_at(running, "0005")
    invalid = "select indexrelid::regclass from pg_index where not indisvalid"
    assert query(running, invalid) == ["one_id"]
    write(
        running,
        "0006",
        "0005",
        "drop index if exists one_id",
        "delete from one where true",
        index,
        outside=True,
    )
    assert attempt()[0] == "Completed"
    assert query(running, invalid) == []


def test_a_session_that_is_ended_in_the_middle(running: Scene) -> None:
    write(running, "0007", "0006", "create table four (id int)", "select pg_sleep(90)")
    ending = threading.Thread(target=end_session, args=(running,))
    ending.start()
    try:
        failed_at(running, "0006")
    finally:
        ending.join()
    assert query(running, "select to_regclass('four') is null") == ["t"]


def end_session(scene: Scene) -> None:
    """End the migration's session as soon as it sleeps."""
    mine = "query like '%pg_sleep(90)%' and pid <> pg_backend_pid()"
    sql = f"select count(pg_terminate_backend(pid)) from pg_stat_activity where {mine}"
    for _ in range(600):
        if query(scene, sql) != ["0"]:
            return
        time.sleep(1)
