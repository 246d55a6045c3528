"""The watch on real servers: green over a release that is well; one that logs new errors is taken back by itself."""

from __future__ import annotations

from typing import Any

import pytest
from prefect import get_client

from blocks.values.lifecycle import Kind, Status
from blocks.values.watching import WatchEnd, WatchStart
from flows.watching.ending import TOLD, WATCH
from tests.lab.scene import Scene
from tests.lab.shop_repository import database_password

pytestmark = pytest.mark.timeout(1800)

RULES = "watch: {window: 30s, every: 22s, rollback: true, logs: {ignore: ['*is never counted*']}}\n"
# A worker that stays healthy, serves, and cannot do what it is for.
BROKEN = """    log.error("this is never counted")
    try:
        {"post": 1}["carrier"]
    except KeyError:
        log.exception("order 4711 of ana@example.com cannot be sent with %s", settings.database_url)
    engine = connect(settings.database_url)
"""


def watch_of(scene: Scene, promotion: int) -> tuple[dict[str, Any], WatchEnd]:
    """Wait for the end of a promotion's watch; return its run and what the ledger has of it."""
    with scene.ledger() as ledger:
        started = ledger.steps.get(promotion, "start watch")
        assert started is not None
        assert started.receipt is not None
        run = scene.ended(WatchStart.from_json(started.receipt).flow_run)
        ended = ledger.steps.get(promotion, WATCH)
    assert ended is not None
    assert ended.receipt is not None
    return run, WatchEnd.from_json(ended.receipt)


@pytest.fixture(scope="module")
def watched(scene: Scene) -> Scene:
    """The scene with a first release that ran in feature before anybody watched it, and a policy that watches."""
    assert scene.promote("feature")["state"]["name"] == "Completed"
    text = (scene.shop.work / "pipeline.yaml").read_text()
    scene.shop.commit_file("pipeline.yaml", text.replace("environments:", f"{RULES}environments:"), "Watch")
    return scene


def test_a_release_that_is_well_is_watched_to_the_end(watched: Scene) -> None:
    watched.shop.advance("v2")
    assert watched.promote("feature")["state"]["name"] == "Completed"
    promotion = watched.promotions("feature")[0]
    with watched.ledger() as ledger:
        lease = ledger.leases.get("shop", "feature")
        assert lease is not None
        assert lease.owner is None
    run, end = watch_of(watched, promotion.id)
    assert run["state"]["name"] == "Completed", run
    assert run["state"]["message"].startswith(f"green: {promotion.release_id} is well in feature")
    assert end.verdict == "green"
    # In between it had no process.
    assert run["run_count"] > 1
    page = artifact(watched, "watch-shop-feature")
    assert "Watch of shop feature, promotion" in page
    assert "green" in page
    assert "| Lines |" in page
    assert not [one for one in watched.inbox.messages if "/watch/" in str(one["key"])]


def test_new_errors_turn_it_red_and_the_release_before_runs_again(watched: Scene) -> None:
    before = watched.promotions("feature")[0].release_id
    worker = (watched.shop.work / "backend/shop/worker.py").read_text()
    engine = "    engine = connect(settings.database_url)\n"
    assert engine in worker
    watched.shop.commit_file("backend/shop/worker.py", worker.replace(engine, BROKEN), "Send with a carrier")
    assert watched.promote("feature")["state"]["name"] == "Completed"
    promotion = watched.promotions("feature")[0]
    run, end = watch_of(watched, promotion.id)
    assert run["state"]["name"] == "Red", run
    assert end.verdict == "red"
    (finding,) = end.findings
    assert finding.what == "1 error that was not there before the switch"
    (line,) = finding.lines
    assert line.startswith("worker (")
    assert "ERROR order 4711 of" in line
    assert "KeyError: 'carrier'" in line
    assert "ana@example.com" not in line
    with watched.ledger() as ledger:
        holds = [
            one for one in ledger.holds.active("shop", "feature") if one.release_id == promotion.release_id
        ]
        assert [one.created_by for one in holds] == ["watch"]
        assert f"the watch of promotion {promotion.id} is red" in holds[0].reason
        assert ledger.steps.get(promotion.id, TOLD) is not None
    (told,) = [one for one in watched.inbox.messages if f"/{promotion.id}/watch/red" in str(one["key"])]
    assert "KeyError: 'carrier'" in str(told["text"])
    assert "is held" in str(told["text"])
    assert "rollback/feature was started" in str(told["text"])
    everything = str([*watched.inbox.messages, end.to_json(), artifact(watched, "watch-shop-feature")])
    assert database_password("feature") not in everything

    back = next(one for one in watched.promotions("feature") if one.kind is Kind.ROLLBACK)
    watched.ended(str(back.flow_run_id))
    back = next(one for one in watched.promotions("feature") if one.kind is Kind.ROLLBACK)
    assert (back.status, back.release_id) == (Status.SUCCEEDED, before), back.message
    assert (back.requested_by, back.previous_release_id) == ("watch", promotion.release_id)
    assert "KeyError" in back.cause
    assert watched.serves("feature")["status"] == "ok"


def artifact(scene: Scene, key: str) -> str:
    scene.plane.activate()
    with get_client(sync_client=True) as client:
        found = [one for one in client.read_artifacts() if one.key == key]
    return str(max(found, key=lambda one: str(one.created)).data)
