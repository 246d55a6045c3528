"""Where a rollback goes, and how, where the decision needs the ledger, the hosts or a copy of the database."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from blocks.values.evidence import LossReport, TableLoss
from blocks.values.lifecycle import Kind, Status
from blocks.values.rollback import DowngradeTrial, RollbackStrategy, StrategyKind
from flows.rollback import strategy as choosing
from flows.rollback.strategy import (
    RollbackOptions,
    choose_release,
    choose_strategy,
    kept_manifests,
    loss_of,
    release_of,
)
from tasks.database.copies import BrokenDumpError
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError, SluiceError, TerminalError
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.flows.domain.rollback.test_strategy import evidence
from tests.flows.servers import NEW, OLD, RUNS, make_run, server
from tests.samples.runs import APP
from tests.tasks.ledger.samples import at, bring, make_backup, make_plan, make_release, open_promotion

RESTORE = RollbackStrategy(
    way=StrategyKind.RESTORE, reason="asked", backup_path="backups/1.dump", backup_sha256="f" * 64
)
LOSS = LossReport(
    backup_path="backups/1.dump",
    taken_at=at(0),
    source="copy",
    tables=(TableLoss(table="orders", inserted=7),),
)


@pytest.fixture
def run(ledger: Ledger) -> Run:
    for seconds, name in enumerate(("one", "two", "three")):
        bring(ledger, name, seconds=10 * seconds)
    return make_run(ledger, [server("web-1"), server("web-2")], Status.PLANNING)


def running(name: str) -> dict[str, Any]:
    manifest = NEW.model_copy(update={"release": make_release(name)})
    return {"web-1": RUNS.model_copy(update={"manifest": manifest, "revision": "m2"})}


def test_without_a_name_it_is_the_last_good_one_that_is_not_on_hold(run: Run) -> None:
    assert choose_release(run, RollbackOptions(), running("three")) == make_release("two")
    run.ledger.holds.add("shop", "prod", make_release("two").id, "bad", "ana", utc_now())
    assert choose_release(run, RollbackOptions(), running("three")) == make_release("one")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (RollbackOptions(release="three"), "has not succeeded in prod before"),
        (RollbackOptions(leaving="another"), "another does not run there any more"),
        (RollbackOptions(undo=True), "the last change was no restore"),
    ],
)
def test_what_cannot_be_gone_back_to_is_refused(run: Run, options: RollbackOptions, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        choose_release(run, options, running("three"))


def test_undoing_a_restore_goes_on_with_what_it_left(run: Run, ledger: Ledger) -> None:
    row = open_promotion(ledger, "undo", seconds=100, kind=Kind.ROLLBACK)
    ledger.promotions.set_release(row.id, make_release("two").id, at(101))
    plan = make_plan("two", going_back=RESTORE)
    ledger.promotions.set_plan(row.id, plan=plan, previous_release_id=make_release("three").id, now=at(102))
    for seconds, status in enumerate((Status.APPROVED, Status.RUNNING, Status.SUCCEEDED)):
        ledger.promotions.move(row.id, status, now=at(103 + seconds))
    assert choose_release(run, RollbackOptions(undo=True), running("two")) == make_release("three")
    # Something else was brought in since: the restore is not what made it.
    with pytest.raises(RefusedError, match="was no restore"):
        choose_release(run, RollbackOptions(undo=True), running("one"))


def test_a_release_that_the_ledger_does_not_know_is_an_error(run: Run) -> None:
    with pytest.raises(TerminalError, match="release nope is not in the ledger"):
        release_of(run, "nope")


def test_every_host_must_still_have_its_files(run: Run) -> None:
    hosts: Any = run.hosts
    hosts["web-1"].files[f"{APP}/releases/aaaa/sluice.manifest.json"] = OLD.to_json().encode()
    with pytest.raises(RefusedError, match="web-2 no longer keeps the bundle of aaaa"):
        kept_manifests(run, OLD.release)
    hosts["web-2"].files[f"{APP}/releases/aaaa/sluice.manifest.json"] = OLD.to_json().encode()
    assert kept_manifests(run, OLD.release) == {"web-1": OLD, "web-2": OLD}


class Deciding:
    """A decision whose evidence says that migrations came in; a trial and a loss that are as a test says."""

    def __init__(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = run
        self.trial: DowngradeTrial | SluiceError = DowngradeTrial(to_revision="m1", passed=True)
        self.decided: list[Any] = []
        self.found: list[RollbackStrategy] = []
        self.evidence = evidence()
        monkeypatch.setattr(choosing, "evidence_of", lambda *_, **__: self.evidence)
        monkeypatch.setattr(choosing, "try_downgrade", self._try)
        monkeypatch.setattr(choosing, "loss_of", lambda *_: LOSS)
        monkeypatch.setattr(choosing, "decide_strategy", self._decide)

    def _try(self, *_: object, **__: object) -> DowngradeTrial:
        if isinstance(self.trial, SluiceError):
            raise self.trial
        return self.trial

    def _decide(self, known: Any) -> RollbackStrategy:
        self.decided.append(known)
        return self.found.pop(0)

    def __call__(self, **more: Any) -> RollbackStrategy:
        return choose_strategy(self.run, OLD.release, running("three"), RollbackOptions(), **more)


@pytest.fixture
def decide(run: Run, monkeypatch: pytest.MonkeyPatch) -> Deciding:
    return Deciding(run, monkeypatch)


CODE = RollbackStrategy(way=StrategyKind.CODE, reason="proven")
DOWNGRADE = RollbackStrategy(way=StrategyKind.DOWNGRADE, reason="to be tried", to_revision="m1")
FORBIDDEN = RollbackStrategy(way=StrategyKind.FORBIDDEN, reason="no", backup_path="backups/1.dump")


def test_what_is_proven_needs_no_trial(decide: Deciding) -> None:
    decide.found = [CODE]
    assert decide() == CODE
    assert len(decide.decided) == 1


def test_down_migrations_are_tried_on_a_copy_and_judged_again(decide: Deciding) -> None:
    decide.found = [DOWNGRADE, CODE]
    assert decide() == CODE
    assert [known.trial for known in decide.decided] == [None, decide.trial]


def test_down_migrations_that_cannot_be_tried_count_as_failed(decide: Deciding) -> None:
    decide.found, decide.trial = [DOWNGRADE, FORBIDDEN], TerminalError("no copy can be made")
    assert decide() == FORBIDDEN
    assert decide.decided[1].trial == DowngradeTrial(
        to_revision="m1", passed=False, reason="no copy can be made"
    )


def test_a_restore_says_what_it_loses_and_how_much_the_approvals_cover(decide: Deciding) -> None:
    decide.found = [RESTORE]
    decide.evidence = replace(decide.evidence, backup=make_backup())
    found = decide()
    assert (found.loss, found.most_rows) == (LOSS, 107)


@pytest.mark.parametrize("costs", [True, False])
def test_what_a_restore_would_cost_is_found_out_only_where_somebody_wants_to_know(
    decide: Deciding, costs: bool
) -> None:
    decide.found = [FORBIDDEN]
    decide.evidence = replace(decide.evidence, backup=make_backup())
    assert decide(costs=costs).loss == (LOSS if costs else None)


def copy_of(
    monkeypatch: pytest.MonkeyPatch, errors: tuple[str, ...] = (), raises: Exception | None = None
) -> None:
    @contextmanager
    def open_copy(*_: object, **__: object) -> Any:
        if raises is not None:
            raise raises
        yield SimpleNamespace(restore_errors=errors)

    monkeypatch.setattr(choosing, "open_copy", open_copy)
    monkeypatch.setattr(choosing, "compare", lambda *_: None)
    monkeypatch.setattr(choosing, "loss_from_copy", lambda *_, **__: LOSS)
    monkeypatch.setattr(
        choosing, "loss_from_counters", lambda *_, why, **__: LOSS.model_copy(update={"notes": (why,)})
    )
    facts = SimpleNamespace(put=lambda _: SimpleNamespace(counters={}))
    engine = SimpleNamespace(comparison=None, dumps=SimpleNamespace(DUMP_FACTS=facts))
    monkeypatch.setattr(choosing, "database_engine", lambda _: engine)


def test_the_loss_is_found_on_a_restored_copy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_of(monkeypatch)
    assert loss_of(run, make_backup()) == LOSS


@pytest.mark.parametrize(
    ("errors", "raises"),
    [(("relation orders exists",), None), ((), BrokenDumpError("another checksum", "take another"))],
)
def test_a_dump_that_does_not_restore_is_none(
    run: Run, monkeypatch: pytest.MonkeyPatch, errors: tuple[str, ...], raises: Exception | None
) -> None:
    copy_of(monkeypatch, errors, raises)
    # Though its counters would tell a number.
    with pytest.raises(BrokenDumpError):
        loss_of(run, make_backup().model_copy(update={"counters": {"orders": (1, 0, 0)}}))


def test_where_no_copy_can_be_made_the_counters_say_how_much_at_most(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_of(monkeypatch, raises=TerminalError("no space for a copy", "free some"))
    counted = make_backup().model_copy(update={"counters": {"orders": (1, 0, 0)}})
    assert loss_of(run, counted).notes == ("no copy was compared: no space for a copy",)
    with pytest.raises(TerminalError, match="no space"):
        loss_of(run, make_backup())
