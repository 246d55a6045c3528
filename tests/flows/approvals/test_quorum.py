"""Asking people about a plan, answer by answer, without a server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from blocks.values.lifecycle import Kind, Status
from flows.approvals import quorum
from flows.domain.approvals.values import Refusal
from tasks.kernel.clock import utc_now
from tasks.ledger.store import Ledger
from tests.flows.approvals.conftest import Asked, answer


def test_two_people_let_it_in_and_the_channels_hear_of_it_once(asked: Asked) -> None:
    gates = asked.run.policy.gates.model_copy(update={"checklist": ("the shop is told",)})
    asked.run.policy = asked.run.policy.model_copy(update={"gates": gates})
    asked.answers = [answer("ana"), answer("ben")]
    assert asked.status() is Status.APPROVED
    assert [one.status for one in asked.told] == [Status.WAITING]
    assert asked.told[0].message == "waiting for 2 of 2 approvals"
    assert [one["number"] for one in asked.forms] == [1, 2]
    assert asked.forms[0]["checklist"] == ("the shop is told",)
    assert asked.forms[0]["about"] == str(asked.row.id)


def test_one_no_ends_it(asked: Asked) -> None:
    asked.answers = [answer("ana"), answer("ben", "reject", reason="not on a Friday")]
    assert asked.status() is Status.REJECTED


def test_what_is_in_the_ledger_is_not_asked_again(asked: Asked) -> None:
    """The run is started from the top for each answer."""
    asked.answers = [answer("ana")]
    with pytest.raises(TimeoutError):
        asked.status()
    asked.answers = [answer("ben")]
    assert asked.status() is Status.APPROVED
    assert len(asked.told) == 1


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"code": "000000"}, Refusal.WRONG_CODE),
        ({"unticked": ("the shop is told",)}, Refusal.NOT_TICKED),
        ({"plan_hash": "b2" * 32}, Refusal.OTHER_PLAN),
    ],
)
def test_what_does_not_count_is_written_down_and_asked_again(
    asked: Asked, given: dict[str, Any], refusal: Refusal
) -> None:
    asked.answers = [answer("ana", **given)]
    with pytest.raises(TimeoutError):
        asked.status()
    assert asked.refusals() == [refusal]
    assert [one["number"] for one in asked.forms] == [1, 2]


def test_an_author_does_not_count(asked: Asked) -> None:
    asked.answers = [answer("ana"), answer("ben")]
    with pytest.raises(TimeoutError):
        asked.status(authors=frozenset({"ana@example.com"}))
    assert asked.refusals() == [Refusal.IS_AUTHOR, ""]


def test_a_code_that_was_used_for_another_promotion_is_written_down_without_it(
    asked: Asked, ledger: Ledger
) -> None:
    first = answer("ana")
    asked.answers = [first]
    with pytest.raises(TimeoutError):
        asked.status()
    other = Asked(ledger)
    other.row = ledger.promotions.open(
        pipeline="shop",
        environment="staging",
        kind=Kind.PROMOTE,
        ref="v1",
        flow_run_id=None,
        requested_by="cleo",
        cause="",
        now=utc_now(),
    )
    other.run.promotion_id = other.row.id
    asked.run, asked.row, asked.answers = other.run, other.row, [first]
    with pytest.raises(TimeoutError):
        asked.status()
    (record,) = ledger.approvals.of(other.row.id)
    assert (record.counted, record.refusal, record.code_step) == (False, Refusal.USED_CODE, None)


def test_the_answers_to_a_plan_that_changed_do_not_count_for_the_new_one(asked: Asked) -> None:
    asked.answers = [answer("ana")]
    with pytest.raises(TimeoutError):
        asked.status()
    asked.plan = asked.plan.model_copy(update={"policy_checksum": "d" * 64})
    asked.answers = [answer("ben")]
    with pytest.raises(TimeoutError):
        asked.status()
    assert asked.refusals() == ["", ""]


def test_the_time_is_over(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quorum, "utc_now", lambda: utc_now() + timedelta(hours=2))
    assert asked.status() is Status.EXPIRED
    assert asked.forms == []


def test_without_approvals_nobody_is_asked(asked: Asked) -> None:
    asked.run.policy = asked.run.policy.model_copy(update={"approvals": None})
    assert asked.status() is Status.APPROVED
