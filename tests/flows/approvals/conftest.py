"""A promotion that waits for people, in a real ledger; nobody else is needed."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
from pydantic import SecretStr

from blocks.pipeline import load_pipeline
from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import Plan
from flows.approvals import people, quorum
from flows.domain.approvals.values import Answer
from tasks.kernel.blocks import MissingBlockError
from tasks.kernel.clock import utc_now
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tests.flows.domain.samples import plan, release

SECRETS = {name: pyotp.random_base32() for name in ("ana", "ben", "cleo")}
PIPELINE = """
pipeline: shop
environments:
  prod:
    hosts: [prod]
    tags: ["*"]
    approvals: {required: 2, approvers: [ana, ben, cleo], expires: 1h, reviews: true, not_requester: false}
"""


def person(name: str) -> Any:
    return SimpleNamespace(
        person=name.title(),
        totp_secret=SecretStr(SECRETS[name]),
        identities=[f"{name}@example.com"],
        active=True,
        github_login=f"{name}-hub",
    )


def answer(name: str, decision: str = "approve", plan_hash: str = "", **changes: Any) -> Answer:
    code = SecretStr(changes.pop("code", None) or pyotp.TOTP(SECRETS[name]).now())
    return Answer(approver=name, decision=decision, code=code, plan_hash=plan_hash, **changes)


class Asked:
    """A promotion to prod, and the answers that people will give, in order."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.plan: Plan = plan(approvers=("ana", "ben", "cleo"), approvals_required=2)
        ledger.releases.record(release(id=self.plan.release_id))
        self.row: PromotionRecord = ledger.promotions.open(
            pipeline="shop",
            environment="prod",
            kind=Kind.PROMOTE,
            ref="v1",
            flow_run_id=None,
            requested_by="cleo",
            cause="",
            now=utc_now(),
        )
        policy = load_pipeline(PIPELINE, "pipeline.yaml").policy("prod")
        self.run: Any = SimpleNamespace(ledger=ledger, promotion_id=self.row.id, policy=policy, showing=None)
        self.answers: list[Answer] = []
        self.forms: list[dict[str, Any]] = []
        self.told: list[PromotionRecord] = []

    def ask(self, form: object, **asked: Any) -> tuple[Answer, datetime]:
        """Answer in place of people; a run that finds no answer more would wait for ever."""
        self.forms.append({"form": form, **asked})
        if not self.answers:
            raise TimeoutError
        given = self.answers.pop(0)
        return given.model_copy(update={"plan_hash": given.plan_hash or self.plan.hash}), utc_now()

    def status(self, **more: Any) -> Status:
        authors = more.pop("authors", frozenset({"zoe@example.com"}))
        return quorum.ask_until_quorum(self.run, self.plan, authors=authors, requester="cleo", **more)

    def refusals(self) -> list[str]:
        return [one.refusal for one in self.ledger.approvals.of(self.row.id)]


@pytest.fixture
def asked(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Asked:
    def read(_: object, name: str) -> Any:
        if name not in SECRETS:
            raise MissingBlockError(f"there is no approver {name}", "enrol them")
        return person(name)

    made = Asked(ledger)
    monkeypatch.setattr(people, "read_block", read)
    monkeypatch.setattr(quorum, "ask", made.ask)
    monkeypatch.setattr(quorum, "tell_waiting", lambda _, row, *__: made.told.append(row))
    return made
