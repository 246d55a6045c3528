"""The whole main job on real servers, one chapter after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from blocks.values.lifecycle import Status
from blocks.values.manifests import Manifest
from tests.lab.browser import open_form, open_page
from tests.lab.demo import show
from tests.lab.lab import DEFAULT_SERVERS
from tests.lab.scene import Scene
from tests.lab.shell import wait_until
from tests.lab.shop_repository import database_password, secret_key

pytestmark = [pytest.mark.timeout(1800), pytest.mark.whole_shop]


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser for one chapter: the servers share the machine with it."""
    with open_page() as opened:
        yield opened


def ended(run: dict[str, Any]) -> tuple[str, str]:
    return run["state"]["name"], run["state"]["message"] or ""


def restarts(scene: Scene, environment: str) -> str:
    """When each container of the application was started."""
    listing = scene.lab.servers[environment].run(
        ("sh", "-c", "docker inspect -f '{{.Name}} {{.State.StartedAt}}' $(docker ps -q)")
    )
    return listing.stdout


def test_a_first_release_goes_to_feature(scene: Scene) -> None:
    run = scene.promote("feature", "main")
    assert ended(run)[0] == "Completed", ended(run)
    assert run["name"] == f"promote shop {scene.shop.head[:7]} → feature"
    answer = scene.serves("feature")
    assert (answer["status"], answer["version"]) == ("ok", "1.0.0")


def test_what_runs_already_is_only_verified(scene: Scene) -> None:
    before = restarts(scene, "feature")
    assert ended(scene.promote("feature", "main"))[0] == "Completed"
    assert scene.promotions("feature")[0].status is Status.UNCHANGED
    assert restarts(scene, "feature") == before


def test_staging_gets_the_same_digests(scene: Scene) -> None:
    assert ended(scene.promote("staging"))[0] == "Completed"
    with scene.ledger() as ledger:
        rows = [ledger.promotions.running("shop", name) for name in ("feature", "staging")]
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0].release_id == rows[1].release_id
    # A rollback asks the host which migrations its release knows.
    for name in ("feature", "staging"):
        text = (
            scene.lab.servers[name]
            .run(("cat", "/home/deploy/sluice/shop/current/sluice.manifest.json"))
            .stdout
        )
        assert [one.id for one in Manifest.from_json(text).release.revisions] == ["0001", "0002"]
    images = [
        scene.lab.servers[name]
        .run(("docker", "inspect", "-f", "{{.Config.Image}}", "shop-backend-1", "shop-frontend-1"))
        .stdout
        for name in ("feature", "staging")
    ]
    assert images[0] == images[1]
    assert "@sha256:" in images[0]
    # Nobody looks at feature again, and the servers share a machine.
    scene.lab.servers["feature"].kill_containers()


def test_prod_takes_no_branch(scene: Scene) -> None:
    run = scene.run("promote/prod", environment="prod", ref="main", requested_by="cleo")
    name, message = ended(scene.ended(run))
    assert name == "Refused"
    assert "branch main is not allowed in prod" in message
    assert scene.lab.servers["prod"].run(("docker", "ps", "-aq")).stdout == ""


def test_a_rejection_in_the_browser_touches_nothing(scene: Scene, page: Page) -> None:
    scene.shop.tag("v1.0.0")
    run = scene.run("promote/prod", environment="prod", ref="v1.0.0", requested_by="cleo")
    scene.suspended(run)
    assert scene.lab.servers["prod"].run(("docker", "ps", "-aq")).stdout == ""
    form = open_form(page, scene.plane.url, run, scene.plane.login.text)
    assert "0 of 1 approvals" in form.text
    assert "The shop: products, orders, a worker and a scheduler" in form.text
    form.answer("ben", "reject", scene.code("ben"), reason="not on a Friday")
    name, message = ended(scene.ended(run))
    assert name == "Rejected"
    assert "ben: not on a Friday" in message
    assert scene.lab.servers["prod"].run(("docker", "ps", "-aq")).stdout == ""


def test_a_wrong_code_then_an_approval_in_the_browser(scene: Scene, page: Page) -> None:
    run = scene.run("promote/prod", environment="prod", ref="v1.0.0", requested_by="cleo")
    scene.suspended(run)
    open_form(page, scene.plane.url, run, scene.plane.login.text).answer("ana", "approve", "000000")
    with scene.ledger() as ledger:
        row = scene.promotions("prod")[0].id
        wait_until(lambda: bool(ledger.approvals.of(row)), "the judged answer", seconds=300)
        answers = ledger.approvals.of(row)
    assert [(one.counted, one.refusal) for one in answers] == [(False, "the one-time code is wrong")]
    scene.suspended(run)
    assert scene.lab.servers["prod"].run(("docker", "ps", "-aq")).stdout == ""

    # Waiting costs no process: server and worker may go and come back.
    scene.plane.restart_server()
    scene.plane.restart_worker()
    form = open_form(page, scene.plane.url, run, scene.plane.login.text)
    assert "the one-time code is wrong" in form.text
    form.answer("ana", "approve", scene.code("ana"))
    assert ended(scene.ended(run))[0] == "Completed"
    assert scene.serves("prod")["version"] == "1.0.0"


def test_a_second_release_asked_for_twice_at_once_is_migrated_once(scene: Scene) -> None:
    scene.shop.advance("v2")
    runs = [scene.run("promote/staging", environment="staging", requested_by="cleo") for _ in range(2)]
    ends = [ended(scene.ended(run)) for run in runs]
    # The second takes the place of a first that changed nothing yet, or finds its work done.
    assert {row.status for row in scene.promotions("staging")[:2]} in (
        {Status.SUCCEEDED, Status.SUPERSEDED},
        {Status.SUCCEEDED, Status.UNCHANGED},
    ), ends
    assert scene.serves("staging")["version"] == "1.1.0"
    scene.shop.tag("v1.1.0")


def test_a_migration_has_its_backup(scene: Scene) -> None:
    with scene.ledger() as ledger:
        backups = ledger.backups.of("shop", "staging")
    assert len(backups) == 1
    receipt = backups[0].receipt
    assert receipt.revision == "0002"
    assert receipt.entries is not None
    assert receipt.entries > 0
    summed = scene.lab.servers["staging"].run(("sha256sum", receipt.path)).stdout.split()[0]
    assert summed == receipt.sha256


def test_a_release_that_never_becomes_healthy_goes_back_by_itself(scene: Scene) -> None:
    scene.shop.advance("v3")
    name, message = ended(scene.promote("staging"))
    assert name == "Restored", message
    assert "up:" in message
    assert scene.serves("staging")["version"] == "1.1.0"


def test_rollback_goes_to_the_last_good_release_and_holds(scene: Scene) -> None:
    assert ended(scene.promote_approved("prod", "v1.1.0"))[0] == "Completed"
    assert scene.serves("prod")["version"] == "1.1.0"
    run = scene.run("rollback/prod", environment="prod", reason="the prices are wrong")
    name, message = ended(scene.ended(run))
    assert name == "Completed", message
    assert scene.serves("prod")["version"] == "1.0.0"
    again = scene.run("promote/prod", environment="prod", ref="v1.1.0", requested_by="cleo")
    name, message = ended(scene.ended(again))
    assert name == "Refused"
    assert "on hold" in message


def test_the_command_line_says_what_runs_where(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    assert show(scene) == []
    said = capfd.readouterr().out
    for name in DEFAULT_SERVERS:
        row = next(row for row in scene.promotions(name) if row.status is Status.SUCCEEDED)
        assert re.search(rf"shop +{name} +{row.release_id} ", said), said
    assert "1 hold" in said


def test_people_are_told(scene: Scene) -> None:
    texts = [message["text"] for message in scene.inbox.messages]
    assert any(text.startswith("Approval needed") for text in texts)
    assert any(text.startswith("Rolled back") for text in texts)
    assert len({message["key"] for message in scene.inbox.messages}) == len(texts)


def test_the_worker_lived_through_all_of_it(scene: Scene) -> None:
    assert "already holding" not in (scene.plane.home / "logs" / "worker.log").read_text()


def test_no_secret_is_anywhere(scene: Scene) -> None:
    password = scene.lab.registry.password
    applications = [f(name) for name in scene.lab.servers for f in (database_password, secret_key)]
    secrets = [password, *applications, *scene.secrets.values()]
    for path in scene.plane.home.rglob("*"):
        if path.is_file():
            found = path.read_bytes()
            assert [secret for secret in secrets if secret.encode() in found] == [], path
    left = scene.lab.servers["prod"].run(
        ("grep", "-rl", password, "/home/deploy", "/dev/shm", "/tmp"), check=False
    )
    assert left.stdout == ""
