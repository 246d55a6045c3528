"""`sluice history` on a real ledger."""

from __future__ import annotations

from datetime import timedelta

import pytest

from blocks.values.lifecycle import Status
from tasks.ledger.store import Ledger
from tests.deployments.cli.rows import T0, answered, moved, opened, release, succeeded
from tests.deployments.conftest import Sluice


@pytest.fixture
def three(ledger: Ledger) -> Ledger:
    answered(ledger, succeeded(ledger, release(1), "staging"), "grace")
    failed = opened(ledger, release(2), "staging", at=T0 + timedelta(hours=1))
    moved(ledger, failed, Status.FAILED, message="build: no space left")
    succeeded(ledger, release(1), "prod", at=T0 + timedelta(hours=2))
    return ledger


def test_the_newest_comes_first(sluice: Sluice, three: Ledger) -> None:
    lines = sluice("history").lines
    assert [line.split()[0] for line in lines] == ["ID", "3", "2", "1"]
    assert "failed" in lines[2]
    assert "build: no space left" in lines[2]
    assert "1 min" in lines[3]
    assert "grace" in lines[3]


def test_json_has_every_field_for_a_script(sluice: Sluice, three: Ledger) -> None:
    rows = sluice("history", "staging", "--json").json
    assert [row["id"] for row in rows] == [2, 1]
    last = rows[-1]
    assert last["duration_seconds"] == 60.0
    assert last["approvers"] == ["grace"]
    assert last["commit"] == release(1).commit.sha
    assert rows[0]["duration_seconds"] is None


def test_json_has_the_answers_that_did_not_count_too(sluice: Sluice, ledger: Ledger) -> None:
    row = succeeded(ledger, release(1), "prod")
    answered(ledger, row, "ana", counted=False)
    answered(ledger, row, "ben")
    (shown,) = sluice("history", "--json").json
    told = [(one["approver"], one["decision"], one["counted"], one["refusal"]) for one in shown["answers"]]
    assert told == [("ana", "approve", False, "the one-time code is wrong"), ("ben", "approve", True, "")]
    assert shown["answers"][0]["plan_hash"] == row.plan_hash
    assert shown["approvers"] == ["ben"]


def test_limit_and_environment(sluice: Sluice, three: Ledger) -> None:
    assert [row["id"] for row in sluice("history", "--limit", "1", "--json").json] == [3]
    assert sluice("history", "nowhere").out == "nothing has been promoted to nowhere yet\n"


def test_a_senseless_limit_is_wrong_usage(sluice: Sluice, home: object) -> None:
    printed = sluice("history", "--limit", "0")
    assert printed.code == 2
    assert "--limit" in printed.err
