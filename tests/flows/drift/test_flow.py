"""`reconcile` on real servers: what was changed by hand is found, told once, and gone after it was mended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.compose_host import ComposeHost
from blocks.values.lifecycle import Kind, Status
from blocks.values.offline import OfflineRollback
from flows.drift.flow import GOING_ON, reconcile
from flows.promotion.flow import promote
from flows.rollback.flow import rollback
from tasks.ledger.records import DriftRecord
from tasks.steps.alone import alone
from tests.lab.scene import Scene
from tests.lab.shop_repository import env_text

pytestmark = [pytest.mark.timeout(1800), pytest.mark.whole_shop]

APP = "/home/deploy/sluice/shop"
Drift = set[tuple[str, str]]


def look(scene: Scene, environment: str = "feature") -> tuple[str, Drift]:
    """Reconcile one environment; return the state's message and what stands: kind and subject."""
    scene.plane.activate()
    state: State[Any] = reconcile(environment, return_state=True)
    assert state.name == "Completed", state
    return state.message or "", {(one.kind, one.subject) for one in standing(scene, environment)}


def standing(scene: Scene, environment: str = "feature") -> list[DriftRecord]:
    with scene.ledger() as ledger:
        return ledger.drift.standing("shop", environment)


def on_host(scene: Scene, *argv: str, stdin: str = "") -> str:
    return scene.lab.servers["feature"].run(argv, stdin=stdin).stdout


def told(scene: Scene) -> list[str]:
    return [str(one["text"]) for one in scene.inbox.messages if "/drift/" in str(one["key"])]


@pytest.fixture(scope="module")
def running(scene: Scene) -> Scene:
    """The scene with the second release running in feature, and the first one kept there."""
    assert promote("feature", requested_by="cleo", return_state=True).name == "Completed"
    scene.shop.advance("v2")
    assert promote("feature", requested_by="cleo", return_state=True).name == "Completed"
    return scene


@contextmanager
def by_hand(change: Callable[[], object], mend: Callable[[], object]) -> Iterator[None]:
    change()
    try:
        yield
    finally:
        mend()


def test_nothing_differs_after_a_promotion(running: Scene) -> None:
    message, found = look(running)
    assert found == set()
    assert message == "1 environments: 0 differences (0 new, 0 gone)"


def test_a_hand_edit_of_a_bundle_is_found_told_once_and_gone_when_taken_back(running: Scene) -> None:
    file = f"{APP}/current/ops/nginx/shop.conf"
    before = on_host(running, "cat", file)
    with by_hand(
        lambda: on_host(running, "sh", "-c", f"echo '# by hand' >> {file}; echo x > {APP}/current/notes.txt"),
        lambda: (
            on_host(running, "tee", file, stdin=before),
            on_host(running, "rm", f"{APP}/current/notes.txt"),
        ),
    ):
        running.inbox.messages.clear()
        message, found = look(running)
        assert found == {("bundle", "ops/nginx/shop.conf"), ("bundle", "notes.txt")}
        assert "2 differences (2 new, 0 gone)" in message
        message, _ = look(running)
        assert "2 differences (0 new, 0 gone)" in message
        (text,) = told(running)
        assert "ops/nginx/shop.conf was changed by hand" in text
        assert "restore the file" in text
    message, found = look(running)
    assert found == set()
    assert "(0 new, 2 gone)" in message
    assert len(told(running)) == 2


def test_containers_started_by_hand_are_found(running: Scene) -> None:
    on_host(running, "docker", "run", "-d", "--name", "console", "--network", "shop_default", "nginx:1.26")
    image = on_host(running, "docker", "inspect", "-f", "{{.Config.Image}}", "shop-backend-1").strip()
    on_host(running, "docker", "run", "-d", "--name", "debug", image, "sleep", "600")
    try:
        _, found = look(running)
    finally:
        on_host(running, "docker", "rm", "-f", "console", "debug")
    assert found == {("container", "console"), ("container", "debug")}
    assert look(running)[1] == set()


def test_another_application_on_the_host_is_none_of_ours(running: Scene) -> None:
    on_host(running, "docker", "run", "-d", "--name", "other", "nginx:1.26")
    try:
        assert look(running)[1] == set()
    finally:
        on_host(running, "docker", "rm", "-f", "other")


def test_a_migration_run_by_hand_is_found(running: Scene) -> None:
    def set_revision(revision: str) -> None:
        sql = f"update alembic_version set version_num = '{revision}'"
        on_host(running, "docker", "exec", "shop-db-1", "psql", "-U", "shop", "-c", sql)

    with by_hand(lambda: set_revision("0007"), lambda: set_revision("0003")):
        assert look(running)[1] == {("schema", "database")}
        (one,) = standing(running)
        assert one.detail == "stands at revision 0007, expected 0003"
    assert look(running)[1] == set()


def test_keys_that_vanish_or_come_in_are_found_and_their_values_never_told(running: Scene) -> None:
    file = f"{APP}/.env.feature"
    with by_hand(
        lambda: on_host(
            running, "sh", "-c", f"sed -i /SHOP_SECRET_KEY/d {file}; echo SHOP_NEW=hunter2-hunter2 >> {file}"
        ),
        lambda: on_host(running, "tee", file, stdin=env_text("feature")),
    ):
        assert look(running)[1] == {("env", "SHOP_SECRET_KEY"), ("env", "SHOP_NEW")}
        assert "hunter2" not in json.dumps([one.model_dump(mode="json") for one in standing(running)])
    assert look(running)[1] == set()


def test_another_image_and_a_stopped_service_are_found(running: Scene) -> None:
    image = on_host(running, "docker", "inspect", "-f", "{{.Config.Image}}", "shop-worker-1").strip()
    on_host(running, "docker", "tag", image, "patched:latest")
    labels = [
        "--label=com.docker.compose.project=shop",
        "--label=com.docker.compose.service=worker",
        "--label=com.docker.compose.oneoff=False",
    ]
    on_host(running, "docker", "stop", "shop-worker-1")
    on_host(running, "docker", "rename", "shop-worker-1", "aside")
    on_host(
        running, "docker", "run", "-d", "--name", "shop-worker-1", *labels, "patched:latest", "sleep", "600"
    )
    on_host(running, "docker", "kill", "shop-scheduler-1")
    try:
        _, found = look(running)
    finally:
        on_host(running, "docker", "rm", "-f", "shop-worker-1")
        on_host(running, "docker", "rename", "aside", "shop-worker-1")
        on_host(running, "docker", "start", "shop-worker-1", "shop-scheduler-1")
    assert found == {("image", "worker"), ("service", "scheduler")}
    assert look(running)[1] == set()


def test_a_host_that_does_not_answer_hides_nothing_that_stood(running: Scene) -> None:
    on_host(running, "sh", "-c", f"echo x > {APP}/current/notes.txt")
    assert look(running)[1] == {("bundle", "notes.txt")}
    kept = ComposeHost.load("feature")
    assert isinstance(kept, ComposeHost)
    kept.model_copy(update={"port": 9, "connect_timeout_seconds": 2}).save("feature", overwrite=True)
    try:
        assert look(running)[1] == {("bundle", "notes.txt"), ("unreachable", "host")}
    finally:
        kept.save("feature", overwrite=True)
    on_host(running, "rm", f"{APP}/current/notes.txt")
    assert look(running)[1] == set()


def test_a_link_switched_by_hand_is_found(running: Scene) -> None:
    now = on_host(running, "readlink", f"{APP}/current").strip()
    (other,) = set(on_host(running, "ls", f"{APP}/releases").split()) - {now.removeprefix("releases/")}
    on_host(running, "ln", "-sfn", f"releases/{other}", f"{APP}/current")
    try:
        _, found = look(running)
    finally:
        on_host(running, "ln", "-sfn", now, f"{APP}/current")
    assert ("release", "current") in found
    assert look(running)[1] == set()


def test_a_promotion_that_changes_the_environment_is_not_judged(running: Scene) -> None:
    on_host(running, "sh", "-c", f"echo x > {APP}/current/notes.txt")
    now = datetime.now(UTC)
    row = running.promotions("feature")[0]
    with running.ledger() as ledger:
        lease = ledger.leases.acquire("shop", "feature", row.id, 3600, now)
        try:
            assert look(running)[1] == set()
        finally:
            ledger.leases.release(lease, now)
    on_host(running, "rm", f"{APP}/current/notes.txt")


def test_a_lease_that_ran_out_is_given_back(running: Scene) -> None:
    row = running.promotions("feature")[0]
    with running.ledger() as ledger:
        ledger.leases.acquire("shop", "feature", row.id, 1, datetime.now(UTC) - timedelta(minutes=5))
        look(running)
        lease = ledger.leases.get("shop", "feature")
        assert lease is not None
        assert lease.owner is None


def test_a_code_only_rollback_leaves_a_schema_that_is_no_drift(running: Scene) -> None:
    assert rollback("feature", requested_by="cleo", reason="a try", return_state=True).name == "Completed"
    assert look(running)[1] == set()


def test_a_rollback_without_ledger_is_taken_in_once(running: Scene) -> None:
    now = on_host(running, "readlink", f"{APP}/current").strip().removeprefix("releases/")
    (other,) = set(on_host(running, "ls", f"{APP}/releases").split()) - {now}
    began = datetime.now(UTC).replace(microsecond=0)
    past = OfflineRollback(
        id=f"{began:%Y%m%dT%H%M%SZ}",
        pipeline="shop",
        environment="feature",
        from_release_id=other,
        to_release_id=now,
        hosts=("feature",),
        who="ada@laptop",
        reason="the cart was empty",
        started_at=began,
        ended_at=began + timedelta(seconds=4),
        outcome=Status.SUCCEEDED,
        message=f"{now} runs again",
        token=1,
    )
    file = f"{APP}/offline/{past.id}"
    on_host(running, "install", "-d", "-o", "deploy", "-g", "deploy", f"{APP}/offline")
    on_host(running, "tee", f"{file}.json", stdin=past.to_json())
    with running.ledger() as ledger:
        ledger.holds.release("shop", "feature", "for the test", "cleo", began)
        message, found = look(running)
        assert "1 rollbacks were recorded" in message
        assert found == set()
        row = running.promotions("feature")[0]
        assert (row.kind, row.status, row.release_id) == (Kind.ROLLBACK, Status.SUCCEEDED, now)
        assert (row.requested_by, row.cause, row.previous_release_id) == (past.who, past.reason, other)
        (hold,) = ledger.holds.active("shop", "feature")
        assert (hold.release_id, hold.reason) == (other, "the cart was empty")
        assert on_host(running, "ls", f"{APP}/offline").split() == [f"{past.id}.recorded.json"]
        # Cut before the file was renamed, it is taken in again, and there is still one row and one hold.
        on_host(running, "mv", f"{file}.recorded.json", f"{file}.json")
        look(running)
        assert running.promotions("feature")[0].id == row.id
        assert len(ledger.holds.active("shop", "feature")) == 1


def test_the_deployment_looks_at_all_environments(running: Scene) -> None:
    ended = running.ended(running.run("reconcile/all"))
    assert ended["state"]["name"] == "Completed"
    assert ended["state"]["message"] == "3 environments: 0 differences (0 new, 0 gone)"


def test_a_look_that_finds_another_going_on_ends(running: Scene) -> None:
    running.plane.activate()
    with alone(Path(running.plane.env["SLUICE_HOME"]) / "run" / "reconcile-shop.lock") as mine:
        assert mine
        state: State[Any] = reconcile(return_state=True)
    assert (state.name, state.message) == ("Completed", GOING_ON)
