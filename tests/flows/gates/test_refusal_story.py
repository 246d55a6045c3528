"""What is refused changes nothing, and what was asked for first is what is done: real servers, Prefect and people."""

from __future__ import annotations

import subprocess
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect import get_client
from prefect.states import AwaitingRetry, Cancelled

from blocks.git_repository import GitRepository
from blocks.values.lifecycle import Kind, Status
from tasks.git.mirror import mirror_directory
from tasks.ledger.records import ApprovalRecord, PromotionRecord
from tests.lab.repository import git
from tests.lab.scene import Scene
from tests.lab.shell import wait_until

pytestmark = pytest.mark.timeout(1800)


def ended(scene: Scene, run: str) -> tuple[str, str]:
    found = scene.ended(run)
    return found["state"]["name"], found["state"]["message"] or ""


def first_of(scene: Scene, run: str) -> PromotionRecord:
    with scene.ledger() as ledger:
        row = ledger.promotions.of_run(run)
    assert row is not None
    return row


def answers(scene: Scene, row: PromotionRecord) -> list[ApprovalRecord]:
    with scene.ledger() as ledger:
        return ledger.approvals.of(row.id)


def patch(scene: Scene, run: str, **changes: object) -> None:
    """Change a run's parameters as anybody who reaches the API can."""
    now: dict[str, Any] = scene.plane.api.run(run)["parameters"]
    with get_client(sync_client=True) as client:
        client.request(
            "PATCH",
            "/flow_runs/{id}",
            path_params={"id": run},
            json={"parameters": {**now, **changes}},
        ).raise_for_status()


def cancel_and_retry(run: str) -> None:
    """Cancel a run and press Retry in Prefect's first UI, which forces nothing: the server forgets what was asked."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(run), Cancelled(), force=True)
        client.set_flow_run_state(UUID(run), AwaitingRetry())


@pytest.fixture(scope="module")
def asking(scene: Scene) -> Scene:
    """A scene whose first environment asks two people, and whose second repository asks nobody."""
    path = scene.shop.work / "pipeline.yaml"
    pipeline = yaml.safe_load(path.read_text())
    feature = pipeline["environments"]["feature"]
    feature["branches"] = ["main"]
    other = scene.home / "other"
    subprocess.run(["git", "clone", "--quiet", scene.shop.url, str(other)], check=True)
    git(other, "config", "user.name", "Eve")
    git(other, "config", "user.email", "eve@example.com")
    (other / "pipeline.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    git(other, "commit", "--quiet", "--all", "--message", "Nobody is asked")
    GitRepository(url=str(other)).save("other", overwrite=True)
    feature["approvals"] = {"required": 2, "approvers": ["ana", "ben"]}
    scene.shop.commit_file("pipeline.yaml", yaml.safe_dump(pipeline, sort_keys=False), "Two people")
    git(scene.shop.work, "push", "--quiet", "origin", "main:refs/heads/wild")
    return scene


def test_what_is_refused_leaves_a_half_approved_promotion_as_it_is(asking: Scene) -> None:
    scene = asking
    waits = scene.run("promote/feature", environment="feature", requested_by="cleo")
    scene.suspended(waits)
    scene.answer(waits, "ana")
    row = first_of(scene, waits)
    wait_until(lambda: len(answers(scene, row)) == 1, "the first answer", seconds=300)
    scene.suspended(waits)
    told = len(scene.inbox.messages)
    cancel_and_retry(waits)
    wait_until(lambda: scene.plane.api.run(waits)["state"]["name"] == "Running", "the retry", seconds=300)
    scene.suspended(waits)
    before = first_of(scene, waits)

    wild = scene.run("promote/feature", environment="feature", ref="wild", requested_by="eve")
    name, message = ended(scene, wild)
    assert (name, "branch wild is not allowed in feature" in message) == ("Refused", True), message
    name, message = ended(scene, scene.run("rollback/feature", environment="feature", requested_by="eve"))
    assert name == "Refused", message

    assert first_of(scene, waits) == before
    assert (before.status, [one.counted for one in answers(scene, row)]) == (Status.WAITING, [True])
    scene.suspended(waits)
    assert len(scene.inbox.messages) == told
    scene.answer(waits, "ben")
    assert ended(scene, waits)[0] == "Completed"
    assert [(one.kind, one.status) for one in reversed(scene.promotions("feature"))] == [
        (Kind.PROMOTE, Status.SUCCEEDED),
        (Kind.PROMOTE, Status.REFUSED),
        (Kind.ROLLBACK, Status.REFUSED),
    ]
    assert scene.serves("feature")["version"] == "1.0.0"


@pytest.mark.parametrize(
    "changes",
    [{"source": "other"}, {"environment": "staging", "requested_by": "dora"}],
    ids=["source", "environment"],
)
def test_a_waiting_run_does_what_it_was_started_for(asking: Scene, changes: dict[str, object]) -> None:
    scene = asking
    if scene.serves("feature")["version"] == "1.0.0" and "source" in changes:
        scene.shop.advance("v2")
    waits = scene.run("promote/feature", environment="feature", requested_by="cleo")
    scene.suspended(waits)
    row = first_of(scene, waits)
    scene.inbox.messages.clear()

    patch(scene, waits, **changes)
    scene.answer(waits, "ana")
    name, message = ended(scene, waits)
    assert name == "Refused", message
    for parameter, value in changes.items():
        assert f"`{parameter}` was " in message
        assert f" and is {value} now" in message
    assert message.endswith("start a new run with what you want")
    now = first_of(scene, waits)
    assert (now.id, now.status, now.message, now.environment) == (
        row.id,
        Status.REFUSED,
        message,
        "feature",
    )
    assert answers(scene, row) == []
    assert [one["key"] for one in scene.inbox.messages] == [f"shop/feature/{row.id}/refused/team"]
    assert scene.serves("feature")["version"] == "1.0.0"
    assert scene.promotions("staging") == []
    assert not mirror_directory(scene.plane.home / "mirrors", str(scene.home / "other")).exists()
    if "environment" in changes:
        # Put back and started again it is another promotion of the same plan, and the answer above is none to that.
        patch(scene, waits, environment="feature", requested_by="cleo")
        scene.plane.api.retry(waits)
        wait_until(
            lambda: scene.promotions("feature")[0].status is Status.WAITING, "the question", seconds=300
        )
        scene.suspended(waits)
        again = scene.promotions("feature")[0]
        assert (again.id > row.id, again.plan_hash, answers(scene, again)) == (True, row.plan_hash, [])
