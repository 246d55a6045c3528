"""A release that runs already is verified, and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blocks.values.lifecycle import Status
from blocks.values.receipts import SmokeReceipt
from flows.promotion import unchanged
from flows.promotion.pending_release import PendingRelease
from flows.promotion.prepare import Prepared
from flows.promotion.unchanged import verify_only
from tasks.kernel.errors import TerminalError
from tasks.ledger.store import Ledger
from tests.fakes.steps import FakeSteps
from tests.flows.servers import ended, make_run, server
from tests.tasks.ledger.samples import make_release


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> FakeSteps:
    made = FakeSteps(monkeypatch)
    made.replace(unchanged, "verify", SmokeReceipt(checks=(), seconds=1))
    monkeypatch.setattr(unchanged, "finish", lambda run, **_: run.ledger.promotions.get(run.promotion_id))
    return made


def prepared(ledger: Ledger, *, built: bool = False) -> Prepared:
    nothing: Any = None
    run = make_run(ledger, [server("web-1"), server("web-2")], Status.PLANNING)
    release = make_release("two")
    pending = PendingRelease(run, release.id, built=built, _once_pushed=lambda: release)
    described = SimpleNamespace(fixed_images=())
    sources: Any = SimpleNamespace(config={"services": {}}, described=described, source=Path("/source"))
    return Prepared(run, nothing, nothing, pending, sources, {})


def test_what_runs_already_is_smoked_on_every_host(ledger: Ledger, steps: FakeSteps) -> None:
    found = prepared(ledger)
    assert verify_only(found).status is Status.UNCHANGED
    assert steps.done == ["verify web-1", "verify web-2"]
    assert steps.of("verify")[0]["checkout"] == Path("/source")
    assert ended(found.run, Status.UNCHANGED).endswith("runs in prod already; its smoke checks passed")


def test_a_red_check_of_what_runs_is_an_error(ledger: Ledger, steps: FakeSteps) -> None:
    steps.errors["verify web-2"] = TerminalError("smoke: /health is red")
    found = prepared(ledger)
    with pytest.raises(TerminalError, match="is red"):
        verify_only(found)
    ended(found.run, Status.PLANNING)


def test_what_was_just_built_cannot_be_what_runs(ledger: Ledger) -> None:
    # On no host at all, everything that is asked for runs.
    assert unchanged.unchanged(prepared(ledger))
    assert not unchanged.unchanged(prepared(ledger, built=True))
