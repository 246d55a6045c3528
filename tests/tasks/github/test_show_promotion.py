"""Showing has a row in the journal for each moment, and no failure of it comes out."""

from __future__ import annotations

import time

import pytest

from blocks.values.publication import ShowReceipt
from tasks.github import show_promotion as showing
from tasks.github.show_promotion import PublicationPart, Published, carry, receipts, shown
from tasks.kernel.errors import TerminalError, TransientError
from tasks.ledger.store import Ledger
from tests.tasks.ledger.samples import bring


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "PAUSE_SECONDS", 0.0)


DEPLOYED = Published("deployment 7 is success", 7)


class Act:
    """A part that fails as often as it is told to."""

    def __init__(self, *errors: Exception, told: Published = DEPLOYED) -> None:
        self.errors, self.told, self.calls = list(errors), told, 0

    def __call__(self) -> Published:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.told


def test_what_was_shown_is_kept(ledger: Ledger) -> None:
    row = bring(ledger, "a")
    parts = [
        PublicationPart("status", Act(told=Published("sluice/prod is success"))),
        PublicationPart("deployment", Act()),
    ]
    line = carry(ledger, row.id, "succeeded", "a" * 40, parts)
    assert line == "sluice/prod is success, deployment 7 is success"
    rows = shown(ledger.steps.of(row.id))
    assert list(rows) == ["succeeded"]
    (receipt,) = receipts(rows)
    assert receipt == ShowReceipt(text=line, deployment=7, sha="a" * 40, seconds=receipt.seconds)
    assert carry(ledger, row.id, "left", "a" * 40, []) == "nothing to show"


def test_what_github_does_not_answer_is_tried_once_more(ledger: Ledger) -> None:
    row = bring(ledger, "a")
    act = Act(TransientError("GitHub does not answer"))
    assert carry(ledger, row.id, "succeeded", "", [PublicationPart("deployment", act)]).startswith(
        "deployment 7"
    )
    assert act.calls == 2


def test_an_outage_ends_the_moment_and_a_refusal_only_its_part(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    row = bring(ledger, "a")
    refused, after = Act(TerminalError("no permission", "give it")), Act()
    away, never = Act(*[TransientError("GitHub does not answer")] * 2), Act()
    parts = [
        PublicationPart("a", refused),
        PublicationPart("b", after),
        PublicationPart("c", away),
        PublicationPart("d", never),
    ]
    line = carry(ledger, row.id, "succeeded", "", parts)
    assert line == "a: no permission — give it; c: GitHub does not answer"
    assert [act.calls for act in (refused, after, away, never)] == [1, 1, 2, 0]
    step = shown(ledger.steps.of(row.id))["succeeded"]
    assert (step.status, step.error, step.receipt) == ("failed", line, None)
    assert f"not shown on GitHub: {line}" in caplog.text
    # Shown again, all parts are: each looks first.
    assert carry(ledger, row.id, "succeeded", "", [PublicationPart("b", after)]).startswith("deployment 7")
    assert shown(ledger.steps.of(row.id))["succeeded"].attempts == 2


def test_a_fault_of_our_own_is_told_too(ledger: Ledger) -> None:
    row = bring(ledger, "a")
    line = carry(ledger, row.id, "succeeded", "", [PublicationPart("a", Act(ZeroDivisionError("x")))])
    assert line == "a: unexpected ZeroDivisionError: x — report this bug in Sluice"


def test_the_second_try_waits_a_moment(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "PAUSE_SECONDS", 0.2)
    row, started = bring(ledger, "a"), time.monotonic()
    carry(ledger, row.id, "succeeded", "", [PublicationPart("a", Act(TransientError("away")))])
    assert time.monotonic() - started >= 0.2
