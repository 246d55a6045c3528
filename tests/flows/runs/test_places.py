"""Who is let in takes the place of what waits: a real ledger, no server, no host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.pipeline import Policy, load_pipeline
from blocks.values.lifecycle import Kind, Status
from blocks.values.rollback import RollbackStrategy, StrategyKind
from flows.promotion import flow as promote
from flows.promotion import unchanged
from flows.promotion.change import Change
from flows.promotion.prepare import Prepared
from flows.rollback import execute as switching
from flows.rollback import flow as rollback
from flows.rollback.strategy import RollbackOptions
from flows.runs import conduct
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.ledger.errors import IllegalTransition
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.tasks.ledger.samples import START, bring, make_plan, make_release, open_promotion

PIPELINE = """
pipeline: shop
registry: main
environments:
  staging: {hosts: staging, branches: main}
  prod:
    hosts: prod
    branches: main
    approvals: {required: 1, approvers: [ana], expires: 1h}
"""
REQUEST = conduct.Request(Kind.PROMOTE, "prod", "v2", "default", "cleo")


class Place:
    """An environment's promotions, and whose runs were cancelled."""

    def __init__(self, ledger: Ledger, policies: dict[str, Policy]) -> None:
        self.ledger = ledger
        self.policies = policies
        self.cancelled: list[str | None] = []

    def run(self, row: PromotionRecord) -> Run:
        values = {
            "ledger": self.ledger,
            "promotion_id": row.id,
            "pipeline": row.pipeline,
            "environment": row.environment,
            "policy": self.policies[row.environment],
            "showing": None,
            "keeper": None,
            "primary": row.environment,
        }
        return cast("Run", SimpleNamespace(**values))

    def status(self, row: PromotionRecord) -> Status:
        found = self.ledger.promotions.get(row.id)
        assert found is not None
        return found.status


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    pipeline = load_pipeline(PIPELINE, "pipeline.yaml")
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        made = Place(ledger, {name: pipeline.policy(name) for name in pipeline.names})
        monkeypatch.setattr(conduct, "cancel_run", lambda run, _: made.cancelled.append(run))
        yield made


def opened(place: Place, run: str, **changes: Any) -> PromotionRecord:
    return open_promotion(place.ledger, run, now=utc_now(), **changes)


def test_who_is_let_in_ends_the_older_one_and_cancels_its_run(place: Place) -> None:
    older, newer = opened(place, "one"), opened(place, "two")
    place.ledger.promotions.move(older.id, Status.WAITING, now=utc_now())
    conduct.take_place(place.run(newer), REQUEST)
    assert (place.status(older), place.status(newer)) == (Status.SUPERSEDED, Status.PLANNING)
    assert place.cancelled == ["one"]
    ended = place.ledger.promotions.get(older.id)
    assert ended is not None
    assert ended.message == f"promotion {newer.id} of v2 took its place"
    # The older one, on its way to its own question, hears of it, and ends nobody.
    with pytest.raises(RefusedError, match=f"promotion {newer.id} of v2 took its place"):
        conduct.take_place(place.run(older), REQUEST)
    with pytest.raises(RefusedError, match=f"promotion {newer.id} of v2 took its place"):
        conduct.refuse_ended(place.run(older))
    conduct.refuse_ended(place.run(newer))
    assert place.status(newer) is Status.PLANNING


def test_a_newer_one_that_was_not_let_in_yet_ends_nobody(place: Place) -> None:
    older, newer = opened(place, "one"), opened(place, "two")
    conduct.take_place(place.run(older), REQUEST)
    place.ledger.promotions.move(newer.id, Status.REFUSED, now=utc_now(), message="prod takes tags only")
    place.ledger.promotions.move(older.id, Status.WAITING, now=utc_now())
    conduct.take_place(place.run(older), REQUEST)
    assert (place.status(older), place.cancelled) == (Status.WAITING, [])


def test_one_whose_time_is_over_asks_nobody_and_so_ends_nobody(place: Place) -> None:
    older = opened(place, "one")
    late = open_promotion(place.ledger, "two", now=utc_now() - timedelta(hours=1))
    conduct.take_place(place.run(late), REQUEST)
    assert (place.status(older), place.cancelled) == (Status.PLANNING, [])


def test_a_dead_change_is_abandoned_only_by_who_begins_its_own(place: Place) -> None:
    dead, mine = bring(place.ledger, "one", Status.RUNNING), opened(place, "two")
    conduct.take_place(place.run(mine), REQUEST)
    assert place.status(dead) is Status.RUNNING
    place.ledger.promotions.move(mine.id, Status.APPROVED, now=utc_now())
    conduct.begin_change(place.run(mine))
    assert (place.status(dead), place.status(mine)) == (Status.ABANDONED, Status.RUNNING)


def test_who_lost_its_place_while_it_waited_for_the_lease_takes_over_no_dead_change(place: Place) -> None:
    dead, mine, newer = (
        bring(place.ledger, "one", Status.RUNNING),
        opened(place, "two"),
        opened(place, "three"),
    )
    place.ledger.promotions.move(mine.id, Status.APPROVED, now=utc_now())
    conduct.take_place(place.run(newer), REQUEST)
    with pytest.raises(RefusedError, match=f"promotion {newer.id} of v2 took its place"):
        conduct.begin_change(place.run(mine))
    # Its run can still go on where it was cut.
    assert (place.status(dead), place.status(mine)) == (Status.RUNNING, Status.SUPERSEDED)


def test_who_loses_its_place_in_the_very_moment_takes_over_no_dead_change(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, mine = bring(place.ledger, "one", Status.RUNNING), bring(place.ledger, "two", Status.APPROVED)
    newer = opened(place, "three")
    # Somebody is let in right after this one saw that it has not ended.
    monkeypatch.setattr(
        conduct, "refuse_ended", lambda _: place.ledger.promotions.take_place(newer.id, "newer", START)
    )
    with pytest.raises(IllegalTransition, match="is superseded and cannot become running"):
        conduct.begin_change(place.run(mine))
    assert (place.status(dead), place.status(mine)) == (Status.RUNNING, Status.SUPERSEDED)


def refuse(*_: object, **__: object) -> None:
    raise RefusedError("branch main is not allowed in prod", "nothing was touched")


def test_a_promotion_that_a_gate_refuses_ends_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, mine = opened(place, "one"), opened(place, "two")
    waits = place.ledger.promotions.move(waits.id, Status.WAITING, now=utc_now())
    monkeypatch.setattr(promote, "prepare_release", refuse)
    with pytest.raises(RefusedError, match="branch main is not allowed in prod"):
        promote._promote(cast("Any", None), place.run(mine), REQUEST, cast("Any", None), mine)
    assert (place.ledger.promotions.get(waits.id), place.cancelled) == (waits, [])


def test_a_rollback_that_is_refused_ends_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, waits = bring(place.ledger, "one", Status.RUNNING), opened(place, "two")
    mine = opened(place, "three", kind=Kind.ROLLBACK)
    waits = place.ledger.promotions.move(waits.id, Status.WAITING, now=utc_now())
    monkeypatch.setattr(conduct, "take_lease", lambda _: None)
    monkeypatch.setattr(rollback, "read_hosts", lambda _: {})
    monkeypatch.setattr(rollback, "choose_release", refuse)
    with pytest.raises(RefusedError, match="branch main is not allowed in prod"):
        rollback._roll_back(place.run(mine), REQUEST, mine, RollbackOptions())
    assert (place.ledger.promotions.get(waits.id), place.cancelled) == (waits, [])
    assert place.status(dead) is Status.RUNNING


@pytest.mark.parametrize(
    ("way", "needed"), [(StrategyKind.CODE, 0), (StrategyKind.DOWNGRADE, 21), (StrategyKind.RESTORE, 21)]
)
def test_a_rollback_that_no_host_can_carry_ends_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, way: StrategyKind, needed: int
) -> None:
    waits, mine = opened(place, "one"), opened(place, "two", kind=Kind.ROLLBACK)
    waits = place.ledger.promotions.move(waits.id, Status.WAITING, now=utc_now())
    plan = make_plan("v1", going_back=RollbackStrategy(way=way, reason="proven"))
    facts = cast("Any", SimpleNamespace(database_bytes=7))
    change = Change(
        make_release("v1"), {"prod": cast("Any", None)}, None, {"prod": facts}, False, False, None
    )
    spaces: list[int] = []
    asked = SimpleNamespace(submit=lambda *_, needed_bytes=0, **__: spaces.append(needed_bytes))
    monkeypatch.setattr(switching, "preflight", asked)
    monkeypatch.setattr(switching, "check_compose", SimpleNamespace(submit=lambda *_, **__: None))
    monkeypatch.setattr(conduct, "take_lease", lambda _: None)
    monkeypatch.setattr(rollback, "read_hosts", lambda _: {})
    monkeypatch.setattr(rollback, "_decide", lambda *_: (plan, {}))
    monkeypatch.setattr(rollback, "_change", lambda *_: change)
    monkeypatch.setattr(rollback, "carry_back", refuse)
    monkeypatch.setattr(switching, "raise_first", refuse)
    with pytest.raises(RefusedError, match="nothing was touched"):
        rollback._roll_back(place.run(mine), REQUEST, mine, RollbackOptions())
    assert (place.ledger.promotions.get(waits.id), place.cancelled) == (waits, [])
    # All that it needs once it has begun.
    assert spaces == [needed]
    # Where nobody waits the hosts are not asked twice; before people are asked they always are.
    place.ledger.promotions.move(waits.id, Status.REJECTED, now=utc_now())
    with pytest.raises(RefusedError):
        rollback._roll_back(place.run(mine), REQUEST, mine, RollbackOptions())
    asks = way is StrategyKind.RESTORE
    assert place.status(mine) is (Status.PLANNING if asks else Status.RUNNING)
    assert len(spaces) == 1 + asks


def test_a_promotion_whose_files_no_host_has_room_for_ends_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, mine = opened(place, "one"), opened(place, "two")
    waits = place.ledger.promotions.move(waits.id, Status.WAITING, now=utc_now())
    asked: list[int] = []
    put_together: list[int] = []

    def approved(*_: object) -> Status:
        asked.append(1)
        return Status.EXPIRED

    @contextmanager
    def started(_: object) -> Iterator[Any]:
        yield SimpleNamespace(
            finish_release=lambda: prepared, wait=lambda: None, change=lambda *_: put_together.append(1)
        )

    monkeypatch.setattr(promote, "started_early", started)
    monkeypatch.setattr(promote, "make_and_show_plan", lambda *_: make_plan("v2"))
    monkeypatch.setattr(promote, "begin_checks", lambda *_: [])
    monkeypatch.setattr(promote, "raise_first", refuse)
    monkeypatch.setattr(promote, "_approved", approved)
    monkeypatch.setattr(promote, "finish", lambda run: run.ledger.promotions.get(mine.id))
    run: Any = place.run(mine)
    prepared: Any = SimpleNamespace(asks=True, run=run, request=REQUEST)
    with pytest.raises(RefusedError, match="nothing was touched"):
        promote._plan_and_change(cast("Any", None), prepared, START)
    assert (place.ledger.promotions.get(waits.id), place.cancelled, asked) == (waits, [], [])
    # Where nobody else waits the release's files are not put together before people were asked.
    place.ledger.promotions.move(waits.id, Status.REJECTED, now=utc_now())
    promote._plan_and_change(cast("Any", None), prepared, START)
    assert (asked, put_together) == ([1], [1])


@pytest.mark.parametrize("there", [True, False])
def test_what_another_brought_while_the_lease_was_waited_for_is_only_verified(
    place: Place, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    bring(place.ledger, "one", environment="staging")
    mine = opened(place, "two", environment="staging")
    run = place.run(mine)
    pending = SimpleNamespace(release_id=make_release("one" if there else "two").id, built=True)
    prepared: Any = Prepared(
        run, REQUEST, cast("Any", None), cast("Any", pending), cast("Any", None), {}, [], START
    )
    monkeypatch.setattr(unchanged, "read_hosts", lambda _: {})
    monkeypatch.setattr(unchanged, "unchanged", lambda found: not found.pending.built)
    session = cast("Any", SimpleNamespace(ledger=place.ledger))
    found = unchanged.brought_meanwhile(session, prepared)
    assert (found is not None) is there
