"""Asking whether a rule may be relaxed, answer by answer, without a server."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from blocks.pipeline import load_pipeline
from flows.approvals import people
from flows.domain.approvals.values import Answer, Refusal
from flows.rules import ask as asking
from flows.rules.ask import ask_to_relax
from tasks.kernel.clock import utc_now
from tasks.ledger.relaxation_records import RelaxationRecord
from tests.flows.approvals.conftest import answer, person

PIPELINE = load_pipeline(
    """
pipeline: shop
protect:
  branches: {main: {enforce_admins: true}}
  relax: {approvers: [ana, ben], required: 2, at_most: 30m}
environments:
  prod: {hosts: prod, tags: "*"}
""",
    "pipeline.yaml",
)


class Request:
    """A request to relax a rule, and the answers that people will give, in order."""

    def __init__(self, store: Any) -> None:
        self.ledger = store
        self.session: Any = SimpleNamespace(ledger=store, pipeline=PIPELINE)
        self.row: RelaxationRecord = store.relaxations.open(
            pipeline="shop",
            repository="https://github.com/acme/shop",
            branch="main",
            rule="enforce_admins",
            seconds=900,
            reason="the bot is stuck",
            requested_by="cleo",
            flow_run_id="run",
            now=utc_now(),
            asked=None,
        )
        self.answers: list[Answer] = []
        self.told: list[str] = []

    def ask(self, _: object, *, about: str, number: int, seconds: int) -> tuple[Answer, datetime]:
        assert about == f"relaxation-{self.row.id}"
        assert seconds > 0
        assert number == len(self.ledger.approvals.of_relaxation(self.row.id)) + 1
        if not self.answers:
            raise TimeoutError
        return self.answers.pop(0), utc_now()


@pytest.fixture
def request_(ledger: Any, monkeypatch: pytest.MonkeyPatch) -> Request:
    made = Request(ledger)

    def form(*_: object, plan_hash: str) -> None:
        made.answers = [one.model_copy(update={"plan_hash": plan_hash}) for one in made.answers]

    monkeypatch.setattr(people, "read_block", lambda _, name: person(name))
    monkeypatch.setattr(asking, "ask", made.ask)
    monkeypatch.setattr(asking, "answer_form", form)
    monkeypatch.setattr(asking, "flow_run_key", lambda: "run")
    monkeypatch.setattr(asking, "tell_of_rules", lambda _, text, key: made.told.append(key))  # noqa: ARG005
    return made


def test_enough_people_say_yes_and_the_channels_are_told_once(request_: Request) -> None:
    request_.answers = [answer("ana"), answer("ben")]
    found = ask_to_relax(request_.session, request_.row)
    assert (found.approved, found.by, found.message) == (True, "ana, ben", "")
    assert len(request_.told) == 1


def test_a_no_is_told_with_its_reason(request_: Request) -> None:
    request_.answers = [answer("ben", "reject", reason="not today")]
    found = ask_to_relax(request_.session, request_.row)
    assert (found.approved, found.message) == (False, "no, said ben: not today")


def test_a_wrong_code_is_written_down_and_asked_again(request_: Request) -> None:
    request_.answers = [answer("ana", code="000000")]
    with pytest.raises(TimeoutError):
        ask_to_relax(request_.session, request_.row)
    (record,) = request_.ledger.approvals.of_relaxation(request_.row.id)
    assert (record.counted, record.refusal) == (False, Refusal.WRONG_CODE)


def test_the_time_is_over(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "utc_now", lambda: utc_now() + timedelta(days=30))
    found = ask_to_relax(request_.session, request_.row)
    assert (found.approved, found.message) == (False, "0 of 2 said yes in time — ask again")
