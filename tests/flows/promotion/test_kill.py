"""The run's process is killed with SIGKILL in each step in turn; each retry goes on where it was cut."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from blocks.values.lifecycle import Status
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(3600)

PROMOTION = (
    "build before",
    "build after",
    "push after",
    "stage after",
    "pull after",
    "backup after",
    "migrate during",
    "migrate after",
    "up during",
    "up after",
    "smoke after",
    "tag after",
    "prune after",
    "notify after",
)
RETURN = ("restore before", "restore during", "restore after")


def promote_with_kills(scene: Scene, kills: Path, points: tuple[str, ...]) -> str:
    """Promote to staging, retrying after each kill; return the name of the state it ended with."""
    kills.write_text("".join(f"{point}\n" for point in points))
    run = scene.run("promote/staging", environment="staging", requested_by="cleo")
    # A retry may be ended by a late word about the crash before it: then it strikes no line.
    for _ in range(2 * len(points)):
        state = scene.ended(run)["state"]
        if state["type"] != "CRASHED":
            break
        retry(scene, run)
    assert (kills.read_text(), sorted(kill_times(kills))) == ("", sorted(points)), state
    return str(state["name"])


def retry(scene: Scene, run: str) -> None:
    """Retry as a person does: once more where the worker's second report of the same crash ended the retry."""
    api = scene.plane.api
    before = api.run(run)["run_count"]
    for _ in range(3):
        api.retry(run)
        for _ in range(120):
            now = api.run(run)
            if now["run_count"] > before:
                return
            if now["state_type"] == "CRASHED":
                break
            time.sleep(1)
    raise AssertionError(f"run {run} cannot be retried")


def started(scene: Scene) -> dict[str, datetime]:
    """When each container of the application in staging was started."""
    listing = scene.lab.servers["staging"].run(
        ("sh", "-c", "docker inspect -f '{{.Name}} {{.State.StartedAt}}' $(docker ps -q)")
    )
    pairs = (line.split() for line in listing.stdout.splitlines())
    return {name.lstrip("/"): datetime.fromisoformat(when[:19] + "+00:00") for name, when in pairs}


def kill_times(kills: Path) -> dict[str, float]:
    lines = (line.split() for line in kills.with_suffix(".done").read_text().splitlines())
    return {f"{step} {moment}": float(when) for step, moment, when in lines}


def test_a_promotion_killed_in_each_step_does_each_thing_once(scene: Scene, kills: Path) -> None:
    assert scene.promote("staging")["state"]["name"] == "Completed"
    database = started(scene)["shop-db-1"]
    scene.shop.advance("v2")

    assert promote_with_kills(scene, kills, PROMOTION) == "Completed", scene.promotions("staging")[0].message

    row = scene.promotions("staging")[0]
    assert (row.status, len(scene.promotions("staging"))) == (Status.SUCCEEDED, 2)
    assert scene.serves("staging")["version"] == "1.1.0"
    with scene.ledger() as ledger:
        steps = ledger.steps.of(row.id)
        backups = ledger.backups.of("shop", "staging")
        release = ledger.releases.get(row.release_id or "")
    assert {step.status for step in steps} == {"finished"}
    assert len({(step.name, step.host) for step in steps}) == len(steps)

    # One dump, and nothing of a try that was cut beside it.
    server = scene.lab.servers["staging"]
    files = server.run(("find", "/home/deploy/sluice/shop/backups", "-type", "f")).stdout.split()
    (dump,) = [backup.receipt.path for backup in backups]
    assert sorted(files) == [dump, f"{dump}.json"]
    # The schema was carried over once, and no one-off container is left.
    schema = (
        "docker",
        "exec",
        "shop-db-1",
        "psql",
        "-U",
        "shop",
        "-tAc",
        "select version_num from alembic_version",
    )
    assert server.run(schema).stdout.split() == ["0003"]
    names = server.run(("docker", "ps", "-a", "--format", "{{.Names}}")).stdout.split()
    assert sorted(names) == [f"shop-{name}-1" for name in ("backend", "db", "frontend")]
    # What `up` had started before its process died was not started again, the database never.
    times = started(scene)
    assert times["shop-db-1"] == database
    assert times["shop-backend-1"].timestamp() <= kill_times(kills)["up after"]
    # The digests the hosts run are the ones that were pushed first.
    assert release is not None
    running = server.run(("docker", "inspect", "-f", "{{.Config.Image}}", "shop-backend-1")).stdout.strip()
    assert running in {image.reference for image in release.images}
    # A message that was sent and not journaled is sent again under the same key, by which it is known.
    keys = [message["key"] for message in scene.inbox.messages if f"/{row.id}/" in str(message["key"])]
    assert (len(set(keys)), len(keys) > 1) == (1, True)


def test_a_return_killed_in_its_steps_ends_on_the_release_before(scene: Scene, kills: Path) -> None:
    scene.shop.advance("v3")

    assert promote_with_kills(scene, kills, RETURN) == "Restored"

    assert scene.promotions("staging")[0].status is Status.RESTORED
    assert scene.serves("staging")["version"] == "1.1.0"
    server = scene.lab.servers["staging"]
    health = server.run(
        ("sh", "-c", "docker inspect -f '{{.State.Health.Status}}' $(docker ps -q)")
    ).stdout.split()
    assert set(health) == {"healthy"}
