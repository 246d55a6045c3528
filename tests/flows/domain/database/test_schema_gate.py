"""Which migrations may come together with the switch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.pipeline import DatabaseRules
from blocks.values.schema_changes import Risk
from flows.domain.database.schema_gate import SchemaGateFacts, schema_may_change
from flows.domain.database.verdicts import pending_unknown
from tests.flows.domain.database.evidence_samples import AT, health, rehearsal, verdict

DAY = timedelta(days=1)


def facts(*risks: Risk, rules: DatabaseRules | None = None, **changes: Any) -> SchemaGateFacts:
    values: dict[str, Any] = {
        "environment": "prod",
        "rules": rules or DatabaseRules(),
        "verdicts": tuple(verdict(risk, f"000{n}") for n, risk in enumerate(risks, 3)),
        "approvers": 2,
        "now": AT,
    }
    return SchemaGateFacts(**{**values, **changes})


@pytest.mark.parametrize("risks", [(), (Risk.ADDITIVE,), (Risk.ADDITIVE, Risk.LOCKING)])
def test_what_keeps_the_running_release_working_comes_in(risks: tuple[Risk, ...]) -> None:
    assert schema_may_change(facts(*risks)).passed


def test_a_lock_is_told() -> None:
    assert "0004 blocks a table" in schema_may_change(facts(Risk.ADDITIVE, Risk.LOCKING)).reason


@pytest.mark.parametrize("risk", [Risk.DESTRUCTIVE, Risk.OPAQUE])
def test_what_breaks_it_is_refused_with_the_way_to_do_it(risk: Risk) -> None:
    answer = schema_may_change(facts(Risk.ADDITIVE, risk))
    assert not answer.passed
    assert f"0004 is {risk}: `ALTER TABLE orders DROP COLUMN note`" in answer.reason
    assert "stop using it first" in answer.reason
    assert "Expand and contract: (1)" in answer.reason
    assert "`override`" in answer.reason
    assert "2 approvers" in answer.reason


def test_pending_migrations_nobody_could_name_are_not_let_in_as_none() -> None:
    answer = schema_may_change(facts(verdicts=(pending_unknown("the tool failed"),)))
    assert not answer.passed
    assert "not known is opaque: which migrations are pending is not known: the tool failed" in answer.reason
    assert "database.rehearse" in answer.reason


def test_where_nothing_runs_nothing_breaks() -> None:
    assert schema_may_change(facts(Risk.DESTRUCTIVE, runs_now=False)).passed


def test_an_environment_may_allow_it() -> None:
    answer = schema_may_change(facts(Risk.DESTRUCTIVE, rules=DatabaseRules(destructive="allow")))
    assert answer.passed
    assert "prod allows it" in answer.reason


def test_an_override_needs_people_who_can_agree() -> None:
    assert schema_may_change(facts(Risk.DESTRUCTIVE, override="agreed in the meeting")).passed
    answer = schema_may_change(facts(Risk.DESTRUCTIVE, override="agreed in the meeting", approvers=1))
    assert not answer.passed
    assert "needs 2 approvals" in answer.reason
    assert "no approvers" in schema_may_change(facts(Risk.OPAQUE, override="x", approvers=0)).reason


def test_a_refusal_names_only_ways_that_are_open() -> None:
    told = schema_may_change(facts(Risk.DESTRUCTIVE, approvers=2)).reason
    assert "with an override" in told
    assert "destructive: allow" not in told
    told = schema_may_change(facts(Risk.DESTRUCTIVE, approvers=1)).reason
    assert "with `database: {destructive: allow}` for" in told
    assert "override" not in told


RETIRED = {"rehearsal": rehearsal(), "running_since": AT - DAY}


def test_what_no_release_needs_any_more_may_go() -> None:
    rules = DatabaseRules(rehearse=True)
    answer = schema_may_change(facts(Risk.DESTRUCTIVE, rules=rules, **RETIRED))
    assert answer.passed
    assert "nothing needs the old schema" in answer.reason


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"running_since": AT - DAY + timedelta(seconds=1)}, "has run alone for 1 d"),
        ({"running_since": None}, "has run alone for 1 d"),
        ({"rehearsal": rehearsal(old=health(False, "column is gone"))}, "column is gone"),
        ({"rehearsal": rehearsal(old=health(None, "no health check"))}, "no health check"),
        ({"rehearsal": None}, "works on a migrated copy"),
    ],
)
def test_what_some_release_may_need_stays(changes: dict[str, Any], told: str) -> None:
    answer = schema_may_change(
        facts(Risk.DESTRUCTIVE, rules=DatabaseRules(rehearse=True), **{**RETIRED, **changes})
    )
    assert not answer.passed
    assert told in answer.reason


def test_a_copy_that_shows_a_break_outweighs_harmless_sql() -> None:
    answer = schema_may_change(facts(Risk.ADDITIVE, rehearsal=rehearsal(old=health(False, "it crashes"))))
    assert not answer.passed
    assert "does not work on a migrated copy of the database (it crashes)" in answer.reason


@pytest.mark.parametrize(
    ("proof", "told"),
    [
        (rehearsal(migrated=False, reason="deadlock", new=None, old=None), "failed on a copy"),
        (rehearsal(new=health(False, "never healthy")), "the new release does not run"),
    ],
)
def test_what_fails_on_a_copy_is_refused_whatever_is_overridden(proof: Any, told: str) -> None:
    rules = DatabaseRules(destructive="allow")
    answer = schema_may_change(facts(Risk.ADDITIVE, rules=rules, override="now!", rehearsal=proof))
    assert not answer.passed
    assert told in answer.reason


@given(
    st.lists(st.sampled_from(list(Risk)), min_size=1, max_size=4),
    st.sampled_from([None, True, False]),
    st.integers(0, 3),
)
def test_a_break_never_comes_in_by_itself(risks: list[Risk], old: bool | None, days: int) -> None:
    proof = rehearsal(old=health(old, "" if old else "x"))
    found = facts(*risks, rehearsal=proof, running_since=AT - days * DAY)
    breaks = any(risk.breaks for risk in risks) or old is False
    assert schema_may_change(found).passed is (not breaks or (old is True and days >= 1))
