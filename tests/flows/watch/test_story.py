"""The watch on real servers: green over a release that is well; one that logs new errors is taken back by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.objects import State

from blocks.values.lifecycle import Kind, Status
from blocks.values.watch import WatchEnd, WatchStart
from flows.domain.drift.reconcile import GRACE
from flows.domain.watch.watch import TOLD, WATCH
from flows.drift import restart_watches as watches
from flows.drift.flow import reconcile
from flows.drift.restart_watches import AGAIN
from flows.rollback.flow import rollback
from tasks.kernel.clock import utc_now
from tasks.ledger.records import PromotionRecord
from tests.lab.scene import Scene
from tests.lab.shell import wait_until
from tests.lab.shop_repository import database_password

pytestmark = [pytest.mark.timeout(1800), pytest.mark.whole_shop]

RULES = "watch: {window: 30s, every: 20s, rollback: true, logs: {ignore: ['*is never counted*']}}\n"
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
    assert run["state"]["message"].startswith(f"green: {promotion.release_id} is healthy in feature")
    assert end.verdict == "green"
    # In between it had no process.
    assert run["run_count"] > 1
    page = artifact(watched, "watch-shop-feature")
    assert "Watch of shop feature, promotion" in page
    assert "green" in page
    assert "| Lines |" in page
    assert not [one for one in watched.inbox.messages if "/watch/" in str(one["key"])]


def test_new_errors_turn_it_red_and_the_release_before_runs_again(
    watched: Scene, kills: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = watched.promotions("feature")[0].release_id
    worker = (watched.shop.work / "backend/shop/worker.py").read_text()
    engine = "    engine = connect(settings.database_url)\n"
    assert engine in worker
    watched.shop.commit_file("backend/shop/worker.py", worker.replace(engine, BROKEN), "Send with a carrier")
    # The watch dies when all is done and the journal does not know it.
    kills.write_text(f"{TOLD} before\n")
    assert watched.promote("feature")["state"]["name"] == "Completed"
    promotion = watched.promotions("feature")[0]
    run, end = watch_of(watched, promotion.id)
    assert run["state"]["name"] == "Crashed", run
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
    told = [one for one in watched.inbox.messages if f"/{promotion.id}/watch/red" in str(one["key"])]
    assert len({str(one["key"]) for one in told}) == 1
    assert "KeyError: 'carrier'" in str(told[0]["text"])
    assert "is on hold" in str(told[0]["text"])
    assert "rollback/feature was started" in str(told[0]["text"])

    wait_until(lambda: bool(rollbacks(watched)), "the rollback", seconds=300, every_seconds=1)
    watched.ended(str(rollbacks(watched)[0].flow_run_id))
    (back,) = rollbacks(watched)
    assert (back.status, back.release_id) == (Status.SUCCEEDED, before), back.message
    assert (back.requested_by, back.previous_release_id) == ("watch", promotion.release_id)
    assert "KeyError" in back.cause
    assert watched.serves("feature")["status"] == "ok"

    continued_by_reconcile(watched, promotion.id, monkeypatch)
    run, _ = watch_of(watched, promotion.id)
    assert run["state"]["name"] == "Red", run
    told = [one for one in watched.inbox.messages if f"/{promotion.id}/watch/red" in str(one["key"])]
    assert len({str(one["key"]) for one in told}) == 1
    assert len(rollbacks(watched)) == 1
    everything = str([*watched.inbox.messages, end.to_json(), artifact(watched, "watch-shop-feature")])
    assert database_password("feature") not in everything


def continued_by_reconcile(scene: Scene, promotion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look as the schedule does, once the watch's run has been dead for so long that nobody brings it back."""
    scene.plane.activate()
    later = utc_now() + GRACE
    with monkeypatch.context() as patched:
        patched.setattr(watches, "utc_now", lambda: later)
        assert reconcile("feature", return_state=True).name == "Completed"
    with scene.ledger() as ledger:
        assert ledger.steps.get(promotion, AGAIN) is not None


def rollbacks(scene: Scene) -> list[PromotionRecord]:
    return [one for one in scene.promotions("feature") if one.kind is Kind.ROLLBACK]


def test_a_rollback_is_not_watched(watched: Scene) -> None:
    (back,) = rollbacks(watched)
    with watched.ledger() as ledger:
        assert ledger.steps.get(back.id, "start watch") is None


def test_a_rollback_that_names_what_it_leaves_leaves_nothing_else(watched: Scene) -> None:
    runs = watched.promotions("feature")[0].release_id
    held = watched.promotions("feature")[1].release_id
    watched.plane.activate()
    state: State[Any] = rollback("feature", leaving=str(held), requested_by="watch", return_state=True)
    assert state.name == "Refused"
    assert f"{held} does not run there any more" in str(state.message)
    with watched.ledger() as ledger:
        running = ledger.promotions.running("shop", "feature")
    assert running is not None
    assert running.release_id == runs


def artifact(scene: Scene, key: str) -> str:
    scene.plane.activate()
    with get_client(sync_client=True) as client:
        found = [one for one in client.read_artifacts() if one.key == key]
    return str(max(found, key=lambda one: str(one.created)).data)
