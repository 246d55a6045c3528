"""How a promotion's end is told: to Prefect, to people, in the report."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.values.lifecycle import ENDED, Kind, Status
from flows.core import outcome
from flows.core.outcome import data_of, message_of, report_markdown, state_of, tell_end
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tasks.steps import notify as notifying
from tests.fakes.notifier import FakeNotifier
from tests.tasks.ledger.samples import RECEIPT, WAYS, at, bring, make_release


def ended(ledger: Ledger, status: Status, **changes: Any) -> PromotionRecord:
    row = bring(ledger, "two", status, **changes)
    return row.model_copy(update={"message": f"it {status}", "previous_release_id": "before"})


@pytest.mark.parametrize("status", sorted(ENDED))
def test_the_run_shows_the_status_and_the_line_of_the_ledger(ledger: Ledger, status: Status) -> None:
    state = state_of(ended(ledger, status))
    good = status in {Status.SUCCEEDED, Status.UNCHANGED}
    assert state.is_completed() is good
    assert state.is_failed() is not good
    assert state.name == ("Completed" if good else status.value.capitalize())
    assert state.message == f"it {status}"


def test_where_there_is_no_line_the_status_speaks(ledger: Ledger) -> None:
    for status in (Status.SUCCEEDED, Status.BROKEN):
        row = bring(ledger, "two", status, environment=f"env-{status}")
        assert state_of(row).message == status.value.capitalize()


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (Status.SUCCEEDED, Kind.PROMOTE, ("prod",)),
        (Status.UNCHANGED, Kind.REDEPLOY, ("prod",)),
        (Status.SUCCEEDED, Kind.ROLLBACK, ("before", "look at it")),
        (Status.RESTORED, Kind.PROMOTE, ("before", "it restored")),
        (Status.BROKEN, Kind.PROMOTE, ("it broken",)),
        (Status.REFUSED, Kind.ROLLBACK, ("it refused",)),
    ],
)
def test_people_read_what_happened_and_what_runs_now(
    ledger: Ledger, status: Status, kind: Kind, words: tuple[str, ...]
) -> None:
    text = message_of(ended(ledger, status, kind=kind), make_release("two"), ("look at it",))
    assert [word for word in words if word not in text] == []


def test_machines_get_the_same_as_data(ledger: Ledger) -> None:
    row = ended(ledger, Status.SUCCEEDED, run="77-aa#2").model_copy(update={"flow_run_id": "77-aa#2"})
    data = data_of(row, make_release("two"))
    assert (data["status"], data["previous_release"], data["commit"]) == (
        *("succeeded", "before"),
        make_release("two").commit.sha,
    )
    # A new attempt of the same run leads to that run.
    assert str(data["run"]).endswith("/runs/flow-run/77-aa")
    assert data_of(row.model_copy(update={"flow_run_id": None}), None)["run"] == ""


def test_a_channel_that_fails_does_not_keep_the_next_from_hearing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, well = FakeNotifier(error=RuntimeError("boom")), FakeNotifier()
    monkeypatch.setattr(notifying, "read_channel", {"broken": broken, "well": well}.__getitem__)
    row = ended(ledger, Status.FAILED)
    tell_end(("gone", "broken", "well"), row, None)
    assert [one.key for one in well.sent] == [f"shop/prod/{row.id}/failed/well"]
    assert "it failed" in well.sent[0].text


def test_the_report_has_every_step_with_its_tries_and_nothing_that_is_markup(ledger: Ledger) -> None:
    row = ended(ledger, Status.SUCCEEDED).model_copy(update={"requested_by": "<b>cleo</b>"})
    ledger.steps.start(row.id, "pull", "web-1", now=at(0))
    ledger.steps.start(row.id, "pull", "web-1", now=at(1))
    ledger.steps.finish(row.id, "pull", "web-1", receipt=RECEIPT, now=at(3.5))
    ledger.steps.start(row.id, "up", "web-1", now=at(4))
    text = report_markdown(row, ledger.steps.of(row.id), make_release("two"))
    assert "| pull | web\\-1 | finished | 2 | " in text or "| pull | web-1 | finished | 2 | " in text
    assert "| started | 1 |  |" in text
    assert "<b>" not in text
    assert "No step changed anything." in report_markdown(row, [], None)


def test_what_took_no_time_took_none(ledger: Ledger) -> None:
    assert outcome.seconds_of(bring(ledger, "two", Status.REFUSED)) == 0
    assert outcome.seconds_of(bring(ledger, "two", Status.SUCCEEDED)) == len(WAYS[Status.SUCCEEDED]) - 3
