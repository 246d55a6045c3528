"""What is found out before the plan: what refuses a promotion before anything is built."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import GateAnswer
from blocks.values.receipts import StepReceipt
from flows.promotion import preflights, prepare
from flows.promotion.pending_release import PendingRelease
from flows.promotion.preflights import raise_first
from flows.promotion.prepare import Prepared, prepare_release
from flows.runs.conduct import Request
from tasks.kernel.errors import RefusedError, TerminalError
from tasks.ledger.store import Ledger
from tests.fakes.steps import FakeSteps
from tests.flows.servers import RUNS, make_run, server
from tests.tasks.ledger.samples import make_release

OPEN = (GateAnswer(gate="ref", passed=True, reason="main"),)
CLOSED = (GateAnswer(gate="ref", passed=False, reason="tags only"),)
DONE = StepReceipt(text="ready")
REQUEST = Request(Kind.PROMOTE, "prod", "main", "default", "")


class Preparing:
    """A promotion that is prepared; attributes say what is found."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = steps = FakeSteps(monkeypatch)
        self.run = make_run(ledger, [server("web-1"), server("web-2")], Status.PLANNING)
        self.entry = self.data = self.gates = OPEN
        self.known: Any = None
        self.brings = True
        self.run.mirror = cast("Any", SimpleNamespace(changed=lambda *_: frozenset()))
        steps.replace(preflights, "preflight", DONE)
        sources = SimpleNamespace(config={}, described=SimpleNamespace(sha="new"), source=None)
        hosts = {name: RUNS.model_copy(update={"host": name, "revision": "m1"}) for name in self.run.hosts}
        steps.call(prepare)
        for name, value in (
            ("known_release", lambda *_: self.known),
            ("unbuilt_release", lambda *_: make_release("new")),
            ("ask_gates", lambda *_: self.gates),
            ("decide_entry", lambda *given: (*given[-1], *self.entry)),
            ("ask_data_gate", lambda *_: self.data),
            ("describe_commit", lambda *_: None),
            ("reading_hosts", lambda _: nullcontext(lambda: hosts)),
            ("check_out", lambda *_, **__: sources),
            ("brings_revisions", lambda *_: self.brings),
            ("begin_release", self._begin),
        ):
            monkeypatch.setattr(prepare, name, value)

    def _begin(self, *_: object, lists: bool) -> PendingRelease:
        self.steps.note("build", {"lists": lists})
        return PendingRelease.recorded(self.run, make_release("new"))

    def policy(self, **changes: Any) -> None:
        self.run.policy = self.run.policy.model_copy(update=changes)

    def migration(self, **changes: Any) -> None:
        values = SimpleNamespace(**({"alembic": "alembic.ini"} | changes))
        self.run.description = cast("Any", SimpleNamespace(migration=values))

    def __call__(self, *, checks: bool = True, request: Request = REQUEST) -> Prepared:
        return prepare_release(cast("Any", None), self.run, request, RESOLVED, checks=checks)


RESOLVED: Any = SimpleNamespace(commit=SimpleNamespace(sha="new"))


@pytest.fixture
def preparing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Preparing:
    return Preparing(ledger, monkeypatch)


def test_the_hosts_are_checked_and_the_release_is_built(preparing: Preparing) -> None:
    prepared = preparing()
    assert preparing.steps.done == ["preflight web-1", "preflight web-2", "build"]
    raise_first(prepared.checking)
    assert (prepared.asks, prepared.lists_on_host) == (False, False)


def test_what_is_planned_already_is_not_checked_again(preparing: Preparing) -> None:
    assert list(preparing(checks=False).checking) == []
    assert preparing.steps.done == ["build"]


def test_a_release_of_the_ledger_is_not_built(preparing: Preparing) -> None:
    preparing.known = make_release("one")
    assert preparing(checks=False).release == preparing.known
    assert preparing.steps.done == []


@pytest.mark.parametrize("gate", ["gates", "entry", "data"])
def test_a_closed_gate_refuses_before_anything_is_built(preparing: Preparing, gate: str) -> None:
    setattr(preparing, gate, CLOSED)
    with pytest.raises(RefusedError, match="prod is closed for this release: tags only"):
        preparing()
    assert preparing.steps.done == []


def test_a_requester_who_may_not_approve_must_be_named(preparing: Preparing) -> None:
    preparing.policy(approvals=SimpleNamespace(not_requester=True))
    with pytest.raises(RefusedError, match="no requester is named"):
        preparing(request=replace(REQUEST, requested_by=" "))
    assert preparing(request=replace(REQUEST, requested_by="cleo")).asks


def test_a_migration_needs_a_policy_that_takes_a_backup(preparing: Preparing) -> None:
    preparing.migration()
    preparing.policy(backup=None)
    with pytest.raises(RefusedError, match="takes no backup"):
        preparing()
    assert preparing.steps.done == []


@pytest.mark.parametrize(
    ("alembic", "brings", "lists_on_host"),
    [("alembic.ini", True, True), ("alembic.ini", False, False), (None, True, False)],
)
def test_where_migrations_come_the_image_lists_them_on_the_host(
    preparing: Preparing, alembic: str | None, brings: bool, lists_on_host: bool
) -> None:
    preparing.migration(alembic=alembic)
    preparing.brings = brings
    assert preparing().lists_on_host is lists_on_host
    assert preparing.steps.of("build")[0]["lists"] is not lists_on_host


def test_where_people_are_asked_it_lists_them_before(preparing: Preparing) -> None:
    preparing.migration()
    preparing.policy(database=preparing.run.policy.database.model_copy(update={"rehearse": True}))
    prepared = preparing()
    assert (prepared.asks, prepared.lists_on_host) == (True, False)


def test_a_build_that_fails_waits_for_the_checks(preparing: Preparing) -> None:
    preparing.steps.errors["build"] = TerminalError("build: no such stage")
    with pytest.raises(TerminalError, match="no such stage"):
        preparing()


def test_finishing_records_the_release_as_the_promotions(preparing: Preparing) -> None:
    preparing.known = preparing.run.ledger.releases.record(make_release("one"))
    prepared = preparing()
    assert prepared.finish().release == preparing.known
    row = preparing.run.ledger.promotions.get(preparing.run.promotion_id)
    assert row is not None
    assert row.release_id == preparing.known.id
    prepared.settle()


def test_the_first_error_of_the_checks_counts_once_all_are_over(preparing: Preparing) -> None:
    preparing.steps.errors["preflight web-1"] = RefusedError("web-1: the disk is full")
    preparing.steps.errors["preflight web-2"] = RefusedError("web-2: port 80 is taken")
    checking: Any = preparing().checking
    with pytest.raises(RefusedError, match="web-1: the disk is full"):
        raise_first(checking)
    assert [future.waited for future in checking] == [1, 1]


def test_only_the_hosts_with_a_database_to_dump_need_room_for_it(preparing: Preparing) -> None:
    hosts = {"web-1": RUNS.model_copy(update={"database_bytes": 100}), "web-2": RUNS}
    for backup, needed in ((True, [207, 7]), (False, [7, 7])):
        preparing.steps.calls.clear()
        preflights.begin_preflights(preparing.run, hosts, hosts, ports=frozenset(), backup=backup, bundle=7)
        assert [given["needed_bytes"] for given in preparing.steps.of("preflight")] == needed
