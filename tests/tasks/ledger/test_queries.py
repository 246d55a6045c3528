"""What runs where, what waits, what was good, how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks.values.lifecycle import OPEN, Kind, Status
from tests.tasks.ledger.samples import PROD, SHOP, at, bring, make_release, open_promotion

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger


def back(ledger: Ledger, name: str, seconds: float) -> None:
    bring(ledger, name, kind=Kind.ROLLBACK, seconds=seconds)


def test_nothing_runs_in_an_empty_ledger(ledger: Ledger) -> None:
    assert ledger.promotions.running(SHOP, PROD) is None
    assert ledger.promotions.active(SHOP, PROD) is None
    assert ledger.promotions.open_in(SHOP, PROD) == []
    assert ledger.promotions.history() == []
    assert ledger.promotions.durations(SHOP, PROD) == []
    assert ledger.promotions.environments() == []


def test_the_last_success_runs(ledger: Ledger) -> None:
    first = bring(ledger, "A")
    assert ledger.promotions.running(SHOP, PROD) == first
    second = bring(ledger, "B", seconds=100)
    bring(ledger, "C", Status.RESTORED, seconds=200)
    bring(ledger, "C", Status.FAILED, seconds=300)
    bring(ledger, "C", seconds=400, environment="staging")
    bring(ledger, "C", seconds=400, pipeline="blog")
    bring(ledger, "C", Status.RUNNING, seconds=500)
    assert ledger.promotions.running(SHOP, PROD) == second


def test_what_ended_last_runs_though_it_was_opened_first(ledger: Ledger) -> None:
    waited = bring(ledger, "A", Status.APPROVED)
    bring(ledger, "B", seconds=100)
    ledger.promotions.move(waited.id, Status.RUNNING, now=at(200))
    ended = ledger.promotions.move(waited.id, Status.SUCCEEDED, now=at(210))
    assert ledger.promotions.running(SHOP, PROD) == ended


def test_open_ones_come_oldest_first(ledger: Ledger) -> None:
    bring(ledger, "A")
    opened = [bring(ledger, "B", status) for status in (Status.WAITING, Status.RUNNING, Status.PLANNING)]
    bring(ledger, "B", Status.REJECTED)
    bring(ledger, "B", Status.WAITING, environment="staging")
    assert ledger.promotions.open_in(SHOP, PROD) == opened
    assert {one.status for one in opened} <= OPEN
    assert ledger.promotions.active(SHOP, PROD) == opened[1]


@pytest.mark.parametrize("status", sorted(Status))
def test_proven_is_what_ran_and_was_smoked(ledger: Ledger, status: Status) -> None:
    promotion = bring(ledger, "A", status)
    proof = ledger.promotions.proven(SHOP, PROD, make_release("A").id)
    assert proof == (promotion if status in {Status.SUCCEEDED, Status.UNCHANGED} else None)
    assert ledger.promotions.proven(SHOP, PROD, make_release("B").id) is None
    assert ledger.promotions.proven(SHOP, "staging", make_release("A").id) is None


def test_history_is_newest_first_and_narrowed(ledger: Ledger) -> None:
    prod = bring(ledger, "A")
    staging = bring(ledger, "A", Status.FAILED, environment="staging")
    blog = open_promotion(ledger, pipeline="blog")
    assert ledger.promotions.history() == [blog, staging, prod]
    assert ledger.promotions.history(limit=2) == [blog, staging]
    assert ledger.promotions.history(SHOP) == [staging, prod]
    assert ledger.promotions.history(environment=PROD) == [blog, prod]
    assert ledger.promotions.history(SHOP, PROD) == [prod]


def test_durations_run_from_start_to_end(ledger: Ledger) -> None:
    for seconds in (2.5, 10.0):
        promotion = bring(ledger, "A", Status.RUNNING, seconds=seconds * 100)
        assert promotion.started_at is not None
        end = at(seconds * 100 + 3 + seconds)
        ledger.promotions.move(promotion.id, Status.SUCCEEDED, now=end)
    bring(ledger, "B", Status.FAILED, seconds=5000)
    bring(ledger, "B", Status.UNCHANGED, seconds=6000)
    assert ledger.promotions.durations(SHOP, PROD) == [10.0, 2.5]
    assert ledger.promotions.durations(SHOP, PROD, limit=1) == [10.0]


def test_environments_are_those_ever_promoted_to(ledger: Ledger) -> None:
    for pipeline, environment in ((SHOP, "staging"), (SHOP, PROD), ("blog", PROD), (SHOP, PROD)):
        open_promotion(ledger, pipeline=pipeline, environment=environment)
    assert ledger.promotions.environments() == [("blog", PROD), (SHOP, PROD), (SHOP, "staging")]
    assert ledger.promotions.environments("blog") == [("blog", PROD)]
