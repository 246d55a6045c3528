"""Any sequence of moves: the rows never disagree with the lifecycle, and an end is an end."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from blocks.values.lifecycle import ACTIVE, ENDED, OPEN, Status, may_follow
from tasks.ledger.errors import ActivePromotion, IllegalTransition
from tests.tasks.ledger.samples import SHOP, START, open_promotion

if TYPE_CHECKING:
    from tasks.ledger.records import PromotionRecord
    from tasks.ledger.store import Ledger

_numbers = itertools.count()


class Walk(RuleBasedStateMachine):
    """Several promotions to one environment, moved at random; a dictionary says what they must be."""

    promotions = Bundle("promotions")

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        self.environment = f"walk-{next(_numbers)}"
        self.now = START
        self.model: dict[int, Status] = {}
        self.ends: dict[int, PromotionRecord] = {}

    @rule(target=promotions)
    def open(self) -> int:
        """Open one more."""
        self.now += timedelta(seconds=1)
        promotion = open_promotion(self.ledger, environment=self.environment, now=self.now)
        self.model[promotion.id] = promotion.status
        return promotion.id

    @rule(number=promotions, status=st.sampled_from(Status))
    def move(self, number: int, status: Status) -> None:
        """Try any status, legal or not."""
        self.now += timedelta(seconds=1)
        others = {one for other, one in self.model.items() if other != number}
        try:
            moved = self.ledger.promotions.move(number, status, now=self.now)
        except IllegalTransition:
            assert not may_follow(self.model[number], status)
        except ActivePromotion:
            assert status in ACTIVE
            assert others & ACTIVE
        else:
            assert may_follow(self.model[number], status)
            self.model[number] = moved.status
            if status in ENDED:
                self.ends.setdefault(number, moved)

    @rule(number=promotions, steps=st.integers(1, 3))
    def on(self, number: int, steps: int) -> None:
        """Go the usual way, so that the later statuses are reached often."""
        usual = [Status.APPROVED, Status.RUNNING, Status.SUCCEEDED]
        for status in usual[:steps]:
            self.move(number, status)

    @invariant()
    def the_rows_are_the_model(self) -> None:
        """Every row is as the model says; times and ends agree with the status."""
        rows = self.ledger.promotions.history(SHOP, self.environment, limit=1000)
        assert {row.id: row.status for row in rows} == self.model
        for row in rows:
            assert (row.ended_at is not None) == (row.status in ENDED)
            assert row.started_at is not None or row.status not in ACTIVE | {Status.SUCCEEDED}
            end = self.ends.get(row.id)
            assert end is None or (row.status, row.ended_at) == (end.status, end.ended_at)

    @invariant()
    def one_at_most_changes_the_environment(self) -> None:
        """At most one is active."""
        assert len([status for status in self.model.values() if status in ACTIVE]) <= 1

    def teardown(self) -> None:
        """The queries say the same as the rows."""
        open_ones = [number for number, status in self.model.items() if status in OPEN]
        assert [row.id for row in self.ledger.promotions.open_in(SHOP, self.environment)] == open_ones


def test_any_walk_is_legal(ledger: Ledger) -> None:
    run_state_machine_as_test(
        cast("type[Walk]", lambda: Walk(ledger)),
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
