"""Which promotion takes whose place: one that is let in ends the older ones, in one transaction."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from blocks.values.lifecycle import ACTIVE, ENDED, OPEN, Kind, Status
from tasks.kernel.errors import SluiceError
from tests.tasks.ledger.samples import at, bring, open_promotion
from tests.tasks.ledger.test_concurrency import at_once

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger


def status(ledger: Ledger, number: int) -> Status:
    row = ledger.promotions.get(number)
    assert row is not None
    return row.status


@pytest.mark.parametrize("before", sorted(OPEN - ACTIVE))
def test_older_ones_that_touched_nothing_end(ledger: Ledger, before: Status) -> None:
    older = bring(ledger, "one", before)
    newer = open_promotion(ledger)
    row, ended = ledger.promotions.take_place(newer.id, "promotion 2 took its place", at(50))
    assert (row.id, row.status) == (newer.id, Status.PLANNING)
    assert [(one.id, one.status, one.message, one.ended_at) for one in ended] == [
        (older.id, Status.SUPERSEDED, "promotion 2 took its place", at(50))
    ]
    # Running it twice is safe.
    assert ledger.promotions.take_place(newer.id, "again", at(60))[1] == []
    assert ledger.promotions.get(older.id) == ended[0]


@pytest.mark.parametrize("before", sorted(ACTIVE | (ENDED - {Status.SUPERSEDED})))
def test_what_changes_something_or_has_ended_stays(ledger: Ledger, before: Status) -> None:
    older = bring(ledger, "one", before)
    assert ledger.promotions.take_place(open_promotion(ledger).id, "no", at(50))[1] == []
    assert ledger.promotions.get(older.id) == older


def test_other_environments_pipelines_and_newer_ones_stay(ledger: Ledger) -> None:
    elsewhere = [
        open_promotion(ledger, environment="staging"),
        open_promotion(ledger, pipeline="other"),
    ]
    mine = open_promotion(ledger)
    newer = bring(ledger, "new", Status.WAITING, kind=Kind.ROLLBACK)
    row, ended = ledger.promotions.take_place(mine.id, "no", at(50))
    assert (row.status, ended) == (Status.PLANNING, [])
    assert [status(ledger, one.id) for one in (*elsewhere, newer)] == [
        Status.PLANNING,
        Status.PLANNING,
        Status.WAITING,
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_whatever_order_they_are_let_in_the_newest_stays(ledger: Ledger, order: tuple[int, ...]) -> None:
    rows = [open_promotion(ledger) for _ in range(3)]
    for turn in order:
        ledger.promotions.take_place(rows[turn].id, "superseded", at(50))
    assert [status(ledger, one.id) for one in rows] == [
        Status.SUPERSEDED,
        Status.SUPERSEDED,
        Status.PLANNING,
    ]


def test_of_many_at_once_the_newest_stays(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    rows = [open_promotion(ledger) for _ in range(5)]
    calls = [lambda one, n=row.id: one.promotions.take_place(n, "superseded", at(50)) for row in rows]
    results = at_once(url, calls)
    taken = [one for one in results if not isinstance(one, SluiceError)]
    assert len(taken) == len(rows), results
    assert [status(ledger, one.id) for one in rows] == [Status.SUPERSEDED] * 4 + [Status.PLANNING]
    ended = [other.id for _, others in taken for other in others]
    # Each is told, and cancelled, by one of them.
    assert sorted(ended) == [one.id for one in rows[:4]]
