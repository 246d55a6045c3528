"""A promotion killed together with its worker: nobody reports it, and `reconcile` brings it to an end."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.values.lifecycle import ENDED, Status
from flows.drift import end_abandoned_runs as ending
from flows.drift.flow import reconcile
from flows.promotion.flow import promote
from tasks.kernel.clock import utc_now
from tasks.ledger.records import PromotionRecord
from tests.flows.stories import reconciled
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(2400)

PATIENCE_SECONDS = 1500
# Runs give a sign of life every 30 s, which Prefect lets nobody shorten. Here none is looked at while it lives, so
# whoever looks may expect signs more often, and calls a dead one dead after 10 s in place of 150.
EXPECTED_SECONDS = 2.0
# By then the lease of a run that died has ended, and it has been silent for long enough.
LATER = timedelta(minutes=3)


@pytest.fixture(scope="module")
def running(scene: Scene) -> Scene:
    """The scene with the first release running in feature."""
    assert promote("feature", requested_by="cleo", return_state=True).name == "Completed"
    return scene


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks after runs that fell silent waits less long."""
    monkeypatch.setattr(ending, "sign_seconds", lambda: EXPECTED_SECONDS)


def cut_with_its_worker(scene: Scene, kills: Path, point: str) -> str:
    """Promote, and kill the run's process in a step while the worker can tell nobody, then the worker too."""
    kills.write_text(f"{point}\n")
    run = scene.run("promote/feature", environment="feature", requested_by="cleo")
    scene.plane.wait_for_state(run, "RUNNING", timeout_seconds=600)
    worker = scene.plane.worker
    assert worker is not None
    worker.send(signal.SIGSTOP)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not kills.with_suffix(".done").exists():
        assert time.monotonic() < deadline, f"the run did not come to {point}"
        time.sleep(0.2)
    worker.send(signal.SIGKILL)
    assert worker.wait(60)
    assert scene.plane.api.run(run)["state_type"] == "RUNNING"
    return run


def last(scene: Scene) -> PromotionRecord:
    return scene.promotions("feature")[0]


def reconcile_now_and_later(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> str:
    """Look at once, which finds a promotion somebody may carry, then minutes later; return what that look did."""
    scene.plane.activate()
    at_once = reconciled()
    assert "promotions were ended" not in at_once
    assert "started again" not in at_once
    with monkeypatch.context() as patched:
        patched.setattr(ending, "utc_now", lambda: utc_now() + LATER)
        return reconciled()


def test_cut_before_the_switch_it_is_closed_and_nothing_changed(
    running: Scene, kills: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.shop.advance("v2")
    run = cut_with_its_worker(running, kills, "backup after")
    assert last(running).status is Status.RUNNING
    assert "1 promotions were ended" in reconcile_now_and_later(running, monkeypatch)
    row = last(running)
    assert row.status is Status.FAILED
    assert "fell silent before the switch; nothing was switched" in row.message
    assert running.plane.api.run(run)["state_type"] == "CRASHED"
    assert running.serves("feature")["version"] == "1.0.0"
    with running.ledger() as ledger:
        lease = ledger.leases.get("shop", "feature")
    assert lease is not None
    assert lease.owner is None


def test_cut_in_the_middle_of_the_switch_it_goes_on_once_a_worker_is_there(
    running: Scene, kills: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.plane.start_worker()
    run = cut_with_its_worker(running, kills, "up during")
    assert "1 runs were started again" in reconcile_now_and_later(running, monkeypatch)
    assert last(running).status is Status.RUNNING
    running.plane.start_worker()
    assert running.ended(run)["state"]["name"] == "Completed", last(running).message
    row = last(running)
    assert (row.status, row.flow_run_id) == (Status.SUCCEEDED, run)
    assert running.serves("feature")["version"] == "1.1.0"
    assert all(one.status in ENDED for one in running.promotions("feature"))
    state: State[Any] = reconcile("feature", return_state=True)
    assert "0 differences" in (state.message or "")
