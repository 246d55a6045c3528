"""The journal says which steps began, and never forgets that one finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks.values.receipts import StepReceipt
from tasks.kernel.errors import TerminalError
from tests.tasks.ledger.samples import NOBODY, RECEIPT, at, open_promotion

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger


@pytest.fixture
def number(ledger: Ledger) -> int:
    """The number of an open promotion."""
    return open_promotion(ledger).id


def test_a_step_that_never_began_is_none(ledger: Ledger, number: int) -> None:
    assert ledger.steps.get(number, "backup") is None
    assert ledger.steps.of(number) == []


def test_a_step_begins_and_finishes(ledger: Ledger, number: int) -> None:
    began = ledger.steps.start(number, "backup", now=at(1))
    assert (began.status, began.attempts, began.host) == ("started", 1, "")
    assert (began.started_at, began.finished_at, began.receipt, began.error) == (at(1), None, None, None)
    ended = ledger.steps.finish(number, "backup", receipt=RECEIPT, now=at(2))
    assert (ended.status, ended.finished_at) == ("finished", at(2))
    assert ended.receipt is not None
    assert StepReceipt.from_json(ended.receipt) == RECEIPT
    assert ledger.steps.get(number, "backup") == ended


def test_a_cut_or_failed_step_begins_again(ledger: Ledger, number: int) -> None:
    ledger.steps.start(number, "up", now=at(1))
    assert ledger.steps.start(number, "up", now=at(2)).attempts == 2
    failed = ledger.steps.fail(number, "up", error="exit 1", now=at(3))
    assert (failed.status, failed.error, failed.finished_at) == ("failed", "exit 1", at(3))
    again = ledger.steps.start(number, "up", now=at(4))
    assert (again.status, again.attempts, again.error) == ("started", 3, None)
    assert (again.started_at, again.finished_at) == (at(4), None)
    assert ledger.steps.finish(number, "up", receipt=RECEIPT, now=at(5)).attempts == 3


def test_a_finished_step_stays_finished(ledger: Ledger, number: int) -> None:
    ledger.steps.start(number, "migrate", now=at(1))
    ended = ledger.steps.finish(number, "migrate", receipt=RECEIPT, now=at(2))
    assert ledger.steps.start(number, "migrate", now=at(3)) == ended
    assert ledger.steps.fail(number, "migrate", error="late", now=at(4)) == ended
    assert ledger.steps.finish(number, "migrate", receipt=StepReceipt(text="2"), now=at(5)) == ended


def test_steps_are_told_apart_by_promotion_name_and_host(ledger: Ledger, number: int) -> None:
    other = open_promotion(ledger).id
    for where in ("prod-1", "prod-2", ""):
        ledger.steps.start(number, "pull", where, now=at(1))
    ledger.steps.start(other, "pull", "prod-1", now=at(1))
    ledger.steps.start(number, "backup", now=at(2))
    ledger.steps.finish(number, "pull", "prod-2", receipt=RECEIPT, now=at(3))
    steps = [(step.name, step.host, step.status) for step in ledger.steps.of(number)]
    assert steps == [
        ("pull", "prod-1", "started"),
        ("pull", "prod-2", "finished"),
        ("pull", "", "started"),
        ("backup", "", "started"),
    ]


def test_a_step_ends_only_after_its_start(ledger: Ledger, number: int) -> None:
    with pytest.raises(TerminalError, match=f"step up on prod-1 of promotion {number} has no journal row"):
        ledger.steps.finish(number, "up", "prod-1", receipt=RECEIPT, now=at(1))
    with pytest.raises(TerminalError, match="step up of promotion"):
        ledger.steps.fail(number, "up", error="", now=at(1))


def test_a_step_needs_its_promotion(ledger: Ledger) -> None:
    with pytest.raises(TerminalError, match="refused a row"):
        ledger.steps.start(NOBODY, "up", now=at(1))
