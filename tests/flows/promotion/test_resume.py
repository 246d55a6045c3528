"""Going on with a promotion whose run was killed: where it was cut, under the lease, on the facts from before."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.values.lifecycle import Kind, Status
from flows.promotion import fallback, resume
from flows.promotion.resume import before_the_switch, go_on, report_again
from flows.runs.conduct import Request
from tasks.kernel.errors import FencedError, RefusedError, TransientError
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.host import FakeHost
from tests.flows.servers import NEW, OLD, RUNS, ended, make_run, server
from tests.samples.runs import APP
from tests.tasks.ledger.samples import START, make_plan

REQUEST = Request(Kind.PROMOTE, "prod", "main", "default", "cleo")
RESOLVED: Any = SimpleNamespace(commit=SimpleNamespace(sha="new"))


class Cut:
    """A promotion that was cut, and what becomes of it: `done` has that in turn."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hosts = [server("web-1")]
        self.run = make_run(ledger, self.hosts, Status.APPROVED)
        self.done: list[str] = []
        self.changes: list[Any] = []
        self.lease: Exception | None = None

        @contextmanager
        def lease_held(_: Run) -> Any:
            if self.lease is not None:
                raise self.lease
            self.done.append("lease")
            yield
            self.done.append("given back")

        described = SimpleNamespace(source=None)
        for module, name, value in (
            (resume, "lease_held", lease_held),
            (resume, "describe_commit", lambda *_: None),
            (resume, "check_out", lambda *_, **__: described),
            (resume, "make_bundle", lambda *_: None),
            (resume, "read_hosts", lambda _: {"web-1": RUNS.model_copy(update={"manifest": NEW})}),
            (resume, "change_of", lambda prepared, *_: prepared),
            (resume, "carry_out", lambda _, change: self._note("change", change)),
            (resume, "fallback_of", lambda _, change: self._note("fallback", change)),
            (resume, "finish", self._finish),
            (fallback, "restore_all", lambda _, cause: self._restored(cause)),
        ):
            monkeypatch.setattr(module, name, value)

    def _note(self, what: str, change: Any) -> None:
        self.done.append(what)
        self.changes.append(change)

    def _restored(self, cause: str) -> Any:
        self.done.append(f"restored after {cause}")
        return SimpleNamespace(status=Status.RESTORED, message=cause)

    def _finish(self, run: Run, resolved: Any) -> PromotionRecord | None:
        self.done.append("finish")
        return run.ledger.promotions.get(run.promotion_id)

    @property
    def row(self) -> PromotionRecord:
        row = self.run.ledger.promotions.get(self.run.promotion_id)
        assert row is not None
        return row

    def plan(self, previous: str | None = "aaaa") -> None:
        promotions = self.run.ledger.promotions
        promotions.set_plan(self.row.id, plan=make_plan("two"), previous_release_id=previous, now=START)
        promotions.move(self.row.id, Status.RUNNING, now=START)

    def go_on(self, *, restoring: bool = False) -> PromotionRecord:
        session: Any = SimpleNamespace(ledger=self.run.ledger)
        return go_on(session, self.run, REQUEST, RESOLVED, self.row, restoring=restoring)


@pytest.fixture
def cut(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Cut:
    found = Cut(ledger, monkeypatch)
    kept(found.hosts[0], OLD)
    return found


def kept(host: FakeHost, manifest: Any) -> None:
    path = f"{APP}/releases/{manifest.release.id}/sluice.manifest.json"
    host.files[path] = manifest.to_json().encode()


def test_the_change_goes_on_with_what_ran_before_it(cut: Cut) -> None:
    cut.plan()
    cut.go_on()
    assert cut.done == ["lease", "change", "finish", "given back"]
    (change,) = cut.changes
    # The host says that the new release is current: the cut run had switched it.
    assert change.hosts["web-1"].manifest == OLD
    assert change.release == cut.run.ledger.releases.get(cut.row.release_id or "")


def test_one_that_was_on_its_way_back_goes_on_with_that(cut: Cut) -> None:
    cut.plan()
    cut.run.ledger.promotions.move(cut.row.id, Status.RUNNING, now=START, message="smoke: red")
    cut.go_on(restoring=True)
    assert cut.done == ["lease", "fallback", "restored after smoke: red", "finish", "given back"]
    assert ended(cut.run, Status.RESTORED) == "smoke: red"


def test_where_nobody_wrote_down_why_it_says_so(cut: Cut) -> None:
    cut.plan()
    cut.go_on(restoring=True)
    assert f"restored after {fallback.CUT}" in cut.done


def test_before_its_plan_was_known_there_is_nothing_to_go_on_with(cut: Cut) -> None:
    with pytest.raises(RefusedError, match="before its plan was known"):
        cut.go_on()
    assert cut.done == []


@pytest.mark.parametrize("error", [FencedError("a higher token"), TransientError("web-1 does not answer")])
def test_without_the_lease_nothing_is_done(cut: Cut, error: Exception) -> None:
    cut.plan()
    cut.lease = error
    with pytest.raises(type(error)):
        cut.go_on()
    assert cut.done == []


def test_where_nothing_ran_before_there_is_nothing_to_go_back_to(cut: Cut) -> None:
    hosts = {"web-1": RUNS}
    assert before_the_switch(cut.run, hosts, None)["web-1"].manifest is None
    assert before_the_switch(cut.run, hosts, "aaaa")["web-1"].manifest == OLD
    # A host whose bundle is gone has nothing either.
    assert before_the_switch(cut.run, hosts, "gone")["web-1"].manifest is None


def test_only_a_success_is_finished_once_more(cut: Cut) -> None:
    failed = cut.run.ledger.promotions.move(cut.row.id, Status.FAILED, now=START)
    assert report_again(cut.run, failed, RESOLVED) is failed
    assert cut.done == []
    report_again(cut.run, cast("Any", SimpleNamespace(id=1, status=Status.SUCCEEDED)), RESOLVED)
    assert cut.done == ["lease", "finish", "given back"]
