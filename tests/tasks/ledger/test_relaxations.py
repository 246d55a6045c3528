"""A relaxed rule stands in the ledger before GitHub is changed, until it is back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic import command

from blocks.values.rules import BranchProtection
from tasks.kernel.errors import RefusedError, TerminalError
from tasks.ledger import migrate
from tasks.ledger.database import Database
from tasks.ledger.errors import CodeUsed
from tasks.ledger.relaxation_records import RelaxationRecord
from tests.tasks.ledger.samples import NOBODY, SHOP, at, open_promotion

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger

REPOSITORY = "https://github.com/acme/shop"
BEFORE = BranchProtection(enforce_admins=True, allow_deletions=True)


def ask(ledger: Ledger, run: str = "run-1", **changes: Any) -> RelaxationRecord:
    values: dict[str, Any] = {
        "pipeline": SHOP,
        "repository": REPOSITORY,
        "branch": "main",
        "rule": "enforce_admins",
        "seconds": 900,
        "reason": "the import is stuck",
        "requested_by": "cleo",
        "flow_run_id": run,
        "now": at(0),
    }
    return ledger.relaxations.open(**values | changes)


def begin(ledger: Ledger, number: int, seconds: float = 60) -> RelaxationRecord:
    return ledger.relaxations.begin(number, before=BEFORE, approved_by="ana", now=at(seconds))


def test_from_the_request_until_it_is_back(ledger: Ledger) -> None:
    asked = ask(ledger)
    assert (asked.status, asked.protection, asked.until, asked.approved_by) == ("asked", None, None, "")
    assert ledger.relaxations.standing() == []
    assert ledger.relaxations.note(asked.id, "waits for ana").message == "waits for ana"
    begun = begin(ledger, asked.id)
    assert (begun.status, begun.protection, begun.approved_by) == ("begun", BEFORE, "ana")
    assert begun.until == at(60) + timedelta(minutes=15)
    assert ledger.relaxations.standing(REPOSITORY) == [begun]
    relaxed = ledger.relaxations.settle(asked.id, message="relaxed", now=at(61))
    assert (relaxed.status, relaxed.relaxed_at, relaxed.message) == ("relaxed", at(61), "relaxed")
    assert relaxed.stands
    over = ledger.relaxations.end(asked.id, "restored", message="back", now=at(960))
    assert (over.status, over.ended_at, over.stands) == ("restored", at(960), False)
    assert ledger.relaxations.standing() == []


def test_a_run_has_one_request_however_often_it_begins(ledger: Ledger) -> None:
    first = ask(ledger)
    assert ask(ledger, now=at(5), reason="another") == first
    begun = begin(ledger, first.id)
    assert begin(ledger, first.id, 300) == begun
    assert ask(ledger, "run-2").id != first.id


def test_a_rule_is_relaxed_by_one_request_at_a_time(ledger: Ledger) -> None:
    first, second = ask(ledger), ask(ledger, "run-2")
    begin(ledger, first.id)
    with pytest.raises(RefusedError, match="the rule is relaxed already, by another request"):
        begin(ledger, second.id)
    assert ledger.relaxations.get(second.id).status == "asked"
    begin(ledger, ask(ledger, "run-3", rule="strict").id)
    begin(ledger, ask(ledger, "run-4", branch="dev").id)
    begin(ledger, ask(ledger, "run-5", repository="https://github.com/acme/other").id)
    assert len(ledger.relaxations.standing()) == 4
    assert len(ledger.relaxations.standing(REPOSITORY)) == 3
    ledger.relaxations.end(first.id, "restored", message="", now=at(9))
    assert begin(ledger, second.id).status == "begun"


def test_what_is_over_stays_over(ledger: Ledger) -> None:
    asked = ask(ledger)
    refused = ledger.relaxations.end(asked.id, "refused", message="ana said no", now=at(5))
    assert ledger.relaxations.end(asked.id, "restored", message="late", now=at(6)) == refused
    assert begin(ledger, asked.id) == refused
    assert ledger.relaxations.settle(asked.id, message="late", now=at(7)) == refused
    assert ledger.relaxations.note(asked.id, "late") == refused


def test_a_request_that_is_not_there(ledger: Ledger) -> None:
    with pytest.raises(TerminalError, match=f"has no request {NOBODY}"):
        ledger.relaxations.get(NOBODY)


def test_a_code_is_used_once_for_a_promotion_or_a_request(ledger: Ledger) -> None:
    values: dict[str, Any] = {
        "plan_hash": "h",
        "approver": "ana",
        "decision": "approve",
        "counted": True,
        "refusal": "",
        "reason": "",
        "now": at(1),
    }
    number, promotion = ask(ledger).id, open_promotion(ledger).id
    given = ledger.approvals.add(relaxation_id=number, code_step=5, **values)
    assert (given.relaxation_id, given.promotion_id) == (number, None)
    assert ledger.approvals.of_relaxation(number) == [given]
    with pytest.raises(CodeUsed):
        ledger.approvals.add(promotion_id=promotion, code_step=5, **values)
    ledger.approvals.add(promotion_id=promotion, code_step=6, **values)
    with pytest.raises(CodeUsed):
        ledger.approvals.add(relaxation_id=number, code_step=6, **values)
    assert len(ledger.approvals.of(promotion)) == 1
    with pytest.raises(TerminalError):
        ledger.approvals.add(relaxation_id=NOBODY, code_step=None, **values)


def test_answers_of_a_ledger_from_before_are_kept(url: str) -> None:
    database = Database(url)
    with database.writing() as connection:
        command.upgrade(migrate.config(connection), "0003")
        connection.execute(
            sa.text(
                "INSERT INTO promotions (id, pipeline, environment, kind, ref, status, requested_by, cause, message, "
                "created_at, updated_at) VALUES (7, 'shop', 'prod', 'promote', 'v1', 'succeeded', 'ana', '', '', "
                "'2026-11-20 08:00:00', '2026-11-20 08:00:00')"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO approvals (id, promotion_id, plan_hash, approver, decision, counted, refusal, "
                "reason, code_step, created_at) "
                "VALUES (3, 7, 'p', 'ana', 'approve', true, '', 'fine', 9, '2026-11-20 08:00:00')"
            )
        )
    with database.writing() as connection:
        command.upgrade(migrate.config(connection), "0004")
    with database.reading() as connection:
        row = connection.execute(sa.text("SELECT * FROM approvals")).mappings().one()
    assert (row["id"], row["promotion_id"], row["relaxation_id"], row["code_step"]) == (3, 7, None, 9)
    columns = "promotion_id, plan_hash, approver, decision, counted, refusal, reason, code_step, created_at"
    again = sa.text(f"INSERT INTO approvals ({columns}) SELECT {columns} FROM approvals")
    with pytest.raises(TerminalError), database.writing() as connection:
        connection.execute(again)
    database.close()
