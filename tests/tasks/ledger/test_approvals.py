"""Every answer is kept; a one-time code is used once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tasks.kernel.errors import TerminalError
from tasks.ledger.errors import CodeUsed
from tests.tasks.ledger.samples import NOBODY, at, open_promotion

if TYPE_CHECKING:
    from tasks.ledger.records import ApprovalRecord
    from tasks.ledger.store import Ledger

STEP = 2**33 + 5  # more than 32 bits hold


def answer(ledger: Ledger, number: int, **changes: Any) -> ApprovalRecord:
    values: dict[str, Any] = {
        "promotion_id": number,
        "plan_hash": "p1",
        "approver": "alice",
        "decision": "approve",
        "counted": True,
        "refusal": "",
        "reason": "looks right",
        "code_step": STEP,
        "now": at(1),
    }
    return ledger.approvals.add(**values | changes)


def test_an_answer_comes_back_as_given(ledger: Ledger) -> None:
    number = open_promotion(ledger).id
    given = answer(ledger, number)
    assert given.model_dump(exclude={"id"}) == {
        "promotion_id": number,
        "relaxation_id": None,
        "plan_hash": "p1",
        "approver": "alice",
        "decision": "approve",
        "counted": True,
        "refusal": "",
        "reason": "looks right",
        "code_step": STEP,
        "created_at": at(1),
    }
    assert ledger.approvals.of(number) == [given]


def test_answers_are_listed_by_promotion_and_plan(ledger: Ledger) -> None:
    number, other = open_promotion(ledger).id, open_promotion(ledger).id
    first = answer(ledger, number)
    second = answer(ledger, number, plan_hash="p2", approver="bob", decision="reject")
    answer(ledger, other, code_step=STEP + 1)
    assert ledger.approvals.of(number) == [first, second]
    assert ledger.approvals.of(number, "p2") == [second]
    assert ledger.approvals.of(number, "p3") == []


def test_a_code_is_used_once_over_all_promotions(ledger: Ledger) -> None:
    number, other = open_promotion(ledger).id, open_promotion(ledger).id
    answer(ledger, number)
    for promotion in (number, other):
        with pytest.raises(CodeUsed, match="the one-time code of alice was used before"):
            answer(ledger, promotion, plan_hash="p2", decision="reject")
    assert len(ledger.approvals.of(number)) == 1
    assert ledger.approvals.of(other) == []


def test_others_codes_and_later_codes_are_free(ledger: Ledger) -> None:
    number = open_promotion(ledger).id
    answer(ledger, number)
    answer(ledger, number, approver="bob")
    answer(ledger, number, code_step=STEP + 1)
    assert len(ledger.approvals.of(number)) == 3


def test_answers_without_a_valid_code_are_all_kept(ledger: Ledger) -> None:
    number = open_promotion(ledger).id
    for _ in range(5):
        refused = answer(ledger, number, counted=False, refusal="wrong code", code_step=None)
        assert (refused.counted, refused.refusal) == (False, "wrong code")
    assert len(ledger.approvals.of(number)) == 5


@pytest.mark.parametrize("code_step", [None, STEP])
def test_an_answer_needs_its_promotion(ledger: Ledger, code_step: int | None) -> None:
    with pytest.raises(TerminalError, match="refused a row") as told:
        answer(ledger, NOBODY, code_step=code_step)
    assert not isinstance(told.value, CodeUsed)
