"""Promotions are opened once per flow run and move only as the lifecycle allows."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from blocks.values.lifecycle import ENDED, OPEN, Kind, Status
from tasks.kernel.errors import TerminalError
from tasks.ledger.errors import ActivePromotion, IllegalTransition
from tests.tasks.ledger.samples import (
    NOBODY,
    PROD,
    SHOP,
    WAYS,
    at,
    bring,
    make_plan,
    make_release,
    open_promotion,
)

if TYPE_CHECKING:
    from tasks.ledger.records import PromotionRecord
    from tasks.ledger.store import Ledger


def test_a_new_promotion_plans(ledger: Ledger) -> None:
    promotion = open_promotion(ledger, "run-1", kind=Kind.ROLLBACK, ref="v1.4.0")
    assert promotion.status is Status.PLANNING
    assert promotion.kind is Kind.ROLLBACK
    assert (promotion.pipeline, promotion.environment, promotion.ref) == (SHOP, PROD, "v1.4.0")
    assert (promotion.requested_by, promotion.cause, promotion.message) == ("alice", "merged #7", "")
    assert promotion.created_at == promotion.updated_at == at(0)
    assert promotion.created_at.tzinfo is not None
    assert (promotion.release_id, promotion.previous_release_id) == (None, None)
    assert (promotion.plan, promotion.plan_hash) == (None, None)
    assert (promotion.started_at, promotion.ended_at) == (None, None)
    assert ledger.promotions.get(promotion.id) == promotion
    assert ledger.promotions.of_run("run-1") == promotion


def test_a_flow_run_has_one_promotion(ledger: Ledger) -> None:
    first = open_promotion(ledger, "run-1")
    moved = ledger.promotions.move(first.id, Status.WAITING, now=at(5))
    assert open_promotion(ledger, "run-1", seconds=60, ref="other") == moved
    assert open_promotion(ledger, "run-2").id != first.id


def test_without_a_flow_run_each_is_new(ledger: Ledger) -> None:
    assert open_promotion(ledger).id != open_promotion(ledger).id


def test_what_is_not_there_is_none(ledger: Ledger) -> None:
    assert ledger.promotions.get(NOBODY) is None
    assert ledger.promotions.of_run("run-7") is None


@pytest.mark.parametrize("status", sorted(Status))
def test_every_status_is_reached_and_kept(ledger: Ledger, status: Status) -> None:
    promotion = bring(ledger, "one", status)
    assert promotion.status is status
    assert (promotion.ended_at is not None) == (status in ENDED)
    assert (promotion.started_at is not None) == (Status.RUNNING in WAYS[status])
    assert ledger.promotions.get(promotion.id) == promotion


def test_start_and_end_are_timed(ledger: Ledger) -> None:
    promotion = bring(ledger, "one")
    assert promotion.started_at == at(3)
    assert promotion.ended_at == promotion.updated_at == at(4)


def test_a_clock_that_jumped_back_does_not_bring_an_earlier_release_back(ledger: Ledger) -> None:
    first = bring(ledger, "one")
    second = bring(ledger, "two", Status.RUNNING)
    ended = ledger.promotions.move(second.id, Status.SUCCEEDED, now=at(4) - timedelta(days=1))
    assert ended.ended_at == at(4) + timedelta(microseconds=1)
    running = ledger.promotions.running(first.pipeline, first.environment)
    assert running is not None
    assert running.id == second.id


def test_writing_a_status_again_keeps_its_times_and_message(ledger: Ledger) -> None:
    promotion = bring(ledger, "one", Status.RUNNING)
    ledger.promotions.move(promotion.id, Status.RUNNING, now=at(50), message="again")
    ledger.promotions.move(promotion.id, Status.SUCCEEDED, now=at(60))
    ended = ledger.promotions.move(promotion.id, Status.SUCCEEDED, now=at(70))
    assert (ended.started_at, ended.ended_at, ended.updated_at) == (at(3), at(60), at(70))
    assert ended.message == "again"


def test_an_illegal_move_changes_nothing_and_says_why(ledger: Ledger) -> None:
    promotion = bring(ledger, "one", Status.REJECTED)
    with pytest.raises(IllegalTransition, match="is rejected and cannot become running") as told:
        ledger.promotions.move(promotion.id, Status.RUNNING, now=at(90), message="no")
    assert "start a new promotion" in str(told.value)
    assert ledger.promotions.get(promotion.id) == promotion


def test_an_illegal_move_of_an_open_one(ledger: Ledger) -> None:
    promotion = open_promotion(ledger)
    with pytest.raises(IllegalTransition, match="is planning and cannot become succeeded"):
        ledger.promotions.move(promotion.id, Status.SUCCEEDED, now=at(1))


def test_only_one_promotion_changes_an_environment(ledger: Ledger) -> None:
    holder = bring(ledger, "one", Status.RUNNING, ref="v1")
    second = bring(ledger, "two", Status.APPROVED)
    for status in (Status.RUNNING, Status.RESTORING):
        ledger.promotions.move(holder.id, status, now=at(10))
        with pytest.raises(ActivePromotion) as told:
            ledger.promotions.move(second.id, Status.RUNNING, now=at(20))
        assert f"promotion {holder.id} (promote v1, by alice) is {status} in shop/prod" in told.value.what
        assert ledger.promotions.get(second.id) == second
    ledger.promotions.move(holder.id, Status.RESTORED, now=at(30))
    assert ledger.promotions.move(second.id, Status.RUNNING, now=at(40)).status is Status.RUNNING


def test_other_environments_and_pipelines_are_free(ledger: Ledger) -> None:
    bring(ledger, "one", Status.RUNNING)
    bring(ledger, "one", Status.RUNNING, environment="staging")
    assert bring(ledger, "one", Status.RUNNING, pipeline="blog").status is Status.RUNNING


def test_errors_survive_a_process_border(ledger: Ledger) -> None:
    promotion = bring(ledger, "one", Status.REJECTED)
    with pytest.raises(IllegalTransition) as told:
        ledger.promotions.move(promotion.id, Status.RUNNING, now=at(9))
    copy = pickle.loads(pickle.dumps(told.value))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy)) == (IllegalTransition, str(told.value))


def test_an_unknown_promotion_cannot_be_changed(ledger: Ledger) -> None:
    release = ledger.releases.record(make_release("one"))
    with pytest.raises(TerminalError, match="has no promotion 777777"):
        ledger.promotions.move(NOBODY, Status.WAITING, now=at(0))
    with pytest.raises(TerminalError, match="has no promotion 777777"):
        ledger.promotions.set_release(NOBODY, release.id, at(0))
    with pytest.raises(TerminalError, match="has no promotion 777777"):
        ledger.promotions.set_plan(NOBODY, plan=make_plan("one"), previous_release_id=None, now=at(0))


def test_a_plan_is_kept_and_replaced_until_it_runs(ledger: Ledger) -> None:
    promotion = bring(ledger, "one", Status.WAITING)
    plan = make_plan("one")
    first = ledger.promotions.set_plan(promotion.id, plan=plan, previous_release_id="r0", now=at(9))
    assert first.plan == plan
    assert (first.plan_hash, first.previous_release_id) == (plan.hash, "r0")
    changed = make_plan("one", pending=make_release("one").revisions)
    second = ledger.promotions.set_plan(promotion.id, plan=changed, previous_release_id=None, now=at(10))
    assert second.plan == changed
    assert (second.plan_hash, second.previous_release_id, second.updated_at) == (changed.hash, None, at(10))


@pytest.mark.parametrize("status", [Status.RUNNING, Status.RESTORING, Status.SUCCEEDED, Status.REJECTED])
def test_plan_and_release_stay_once_it_runs_or_ended(ledger: Ledger, status: Status) -> None:
    ledger.releases.record(make_release("two"))
    promotion = bring(ledger, "one", Status.WAITING)
    promotion = ledger.promotions.set_plan(
        promotion.id, plan=make_plan("one"), previous_release_id="r0", now=at(5)
    )
    for following in WAYS[status][1:]:
        promotion = ledger.promotions.move(promotion.id, following, now=at(6))
    for other, previous in ((make_plan("two"), "r0"), (make_plan("one"), "r9")):
        with pytest.raises(TerminalError, match=f"is {status}: its plan and release stay"):
            ledger.promotions.set_plan(promotion.id, plan=other, previous_release_id=previous, now=at(9))
    with pytest.raises(TerminalError, match=f"is {status}: its plan and release stay"):
        ledger.promotions.set_release(promotion.id, make_release("two").id, at(9))
    assert ledger.promotions.get(promotion.id) == promotion

    same = make_plan("one", expected_seconds=99.0)  # an estimate is not part of what was approved
    assert (
        ledger.promotions.set_plan(promotion.id, plan=same, previous_release_id="r0", now=at(9)) == promotion
    )
    assert ledger.promotions.set_release(promotion.id, make_release("one").id, at(9)) == promotion


def test_a_release_must_be_recorded_first(ledger: Ledger) -> None:
    promotion = open_promotion(ledger)
    with pytest.raises(TerminalError, match="refused a row"):
        ledger.promotions.set_release(promotion.id, "20261121030000-unknown", at(0))


def test_a_plan_of_another_version_does_not_hide_the_row(ledger: Ledger) -> None:
    promotion = open_promotion(ledger)
    promotion = ledger.promotions.set_plan(
        promotion.id, plan=make_plan("one"), previous_release_id=None, now=at(0)
    )
    foreign = promotion.model_copy(update={"plan_json": '{"from": "the future"}'})
    with pytest.raises(TerminalError, match=f"the plan of promotion {promotion.id} was written by another"):
        _ = foreign.plan


def test_hostile_texts_are_data(ledger: Ledger) -> None:
    ref = "feature/$(reboot)'; DROP TABLE promotions; --"
    message = "output \0 with NUL, half a pair \udcff and 🚢"
    promotion = open_promotion(ledger, ref=ref)
    moved = ledger.promotions.move(promotion.id, Status.REFUSED, now=at(1), message=message)
    assert moved.ref == ref
    assert moved.message == "output \ufffd with NUL, half a pair \ufffd and 🚢"
    assert ledger.promotions.get(promotion.id) == moved


def test_a_record_goes_through_json(ledger: Ledger) -> None:
    promotion = open_promotion(ledger)
    promotion = ledger.promotions.set_plan(
        promotion.id, plan=make_plan("one"), previous_release_id=None, now=at(0)
    )
    assert type(promotion).from_json(promotion.to_json()) == promotion


def test_open_statuses_are_the_ones_that_can_move(ledger: Ledger) -> None:
    for status in sorted(OPEN):
        promotion = bring(ledger, "one", status, environment=f"env-{status}")
        assert ledger.promotions.move(promotion.id, Status.ABANDONED, now=at(99)).ended_at == at(99)


def past(ledger: Ledger, key: str, status: Status = Status.SUCCEEDED, **changes: object) -> PromotionRecord:
    """Take in a rollback that ended at the tests' start."""
    values: dict[str, Any] = {
        "pipeline": SHOP,
        "environment": PROD,
        "kind": Kind.ROLLBACK,
        "release_id": ledger.releases.record(make_release("old")).id,
        "previous_release_id": "new",
        "key": key,
        "requested_by": "ada@laptop",
        "cause": "the cart was empty",
        "status": status,
        "message": "runs again",
        "started_at": at(0),
        "ended_at": at(4),
        "now": at(60),
    }
    return ledger.promotions.record_past(**values | changes)


def test_what_was_done_without_the_ledger_is_taken_in_once(ledger: Ledger) -> None:
    row = past(ledger, "offline/1")
    assert (row.status, row.kind, row.requested_by) == (Status.SUCCEEDED, Kind.ROLLBACK, "ada@laptop")
    assert (row.created_at, row.started_at, row.ended_at, row.updated_at) == (at(0), at(0), at(4), at(60))
    assert past(ledger, "offline/1", message="another") == row
    assert ledger.promotions.running(SHOP, PROD) == row


def test_what_was_done_meanwhile_stands_in_nobodys_way(ledger: Ledger) -> None:
    running = bring(ledger, "new", Status.RUNNING, seconds=-60)
    past(ledger, "offline/1")
    assert ledger.promotions.active(SHOP, PROD) == running
    later = bring(ledger, "newer", Status.SUCCEEDED, seconds=100, environment="staging")
    assert ledger.promotions.running(SHOP, "staging") == later


@pytest.mark.parametrize("status", sorted(Status))
def test_only_an_end_of_a_change_can_be_taken_in(ledger: Ledger, status: Status) -> None:
    never = {Status.REJECTED, Status.EXPIRED, Status.SUPERSEDED} | OPEN
    if status in never:
        with pytest.raises(IllegalTransition, match="cannot have ended"):
            past(ledger, f"offline/{status}", status)
    else:
        assert past(ledger, f"offline/{status}", status).status is status
