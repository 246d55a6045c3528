"""All gates of `gates:` together, and how long they are waited for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.pipeline import Freeze, Gates
from blocks.values.github import CheckFact, GitHubFacts, ProtectionFact, RequiredCheck
from blocks.values.plans import GateAnswer
from flows.domain.gates.entry import EntryFacts, Unread, entry_answers, next_look, required_checks
from flows.domain.gates.schedule import Arrival
from flows.domain.words.refs import RefFacts
from tests.flows.domain.samples import NOW, SHA

EVERY = Gates(
    checks=("test",),
    branch_checks=True,
    reviews=1,
    protection=True,
    version=True,
    reachable_from="main",
    soak=7200,
    freeze=(Freeze(start="2026-11-21", until="2026-11-22"),),
    wait=600,
    every=20,
)
NAMES = ["checks", "reviews", "protection", "version", "reachable", "soak", "freeze"]
RULES = ProtectionFact(
    branch="main", required=(RequiredCheck(name="lint", app_id=5), RequiredCheck(name="test"))
)
TEST = CheckFact(kind="run", name="test", state="success", number=1)


def facts(gates: Gates = EVERY, **changes: Any) -> EntryFacts:
    values: dict[str, Any] = {
        "ref": RefFacts(kind="tag", name="v1.0.0", sha=SHA),
        "release_id": "new",
        "now": NOW,
        "running": "old",
        "upstream": "staging",
    }
    return EntryFacts(gates=gates, **(values | changes))


def test_every_gate_answers_also_after_one_said_no() -> None:
    github = GitHubFacts(checks=(), pulls=(), protection=RULES, link="https://commit")
    answers = entry_answers(facts(github=github))
    assert [answer.gate for answer in answers] == NAMES
    assert [answer.passed for answer in answers] == [False, False, False, True, False, False, False]


def test_gates_nobody_asked_for_do_not_answer() -> None:
    assert entry_answers(facts(Gates())) == ()


def test_what_runs_already_is_not_asked_about() -> None:
    assert entry_answers(facts(running="new")) == ()


@pytest.mark.parametrize("curable", [True, False])
def test_what_github_does_not_tell_closes_its_gates_and_no_others(curable: bool) -> None:
    unread = Unread(reason="GitHub does not answer", curable=curable)
    ref = RefFacts(kind="tag", name="v1.0.0", sha=SHA, branches_containing=("main",))
    arrivals = (Arrival(release_id="new", at=NOW - timedelta(days=1)),)
    gates = EVERY.model_copy(update={"freeze": ()})
    answers = entry_answers(facts(gates, unread=unread, ref=ref, arrivals=arrivals))
    assert [answer.passed for answer in answers] == [False] * 3 + [True] * 3
    assert {answer.waiting for answer in answers[:3]} == {curable}
    assert all("it cannot be asked: GitHub does not answer" in answer.reason for answer in answers[:3])


def test_github_that_nobody_read_closes_as_well() -> None:
    answers = entry_answers(facts(Gates(checks=("test",))))
    assert [answer.passed for answer in answers] == [False]
    assert not answers[0].waiting


def test_required_names_come_from_the_pipeline_and_from_github() -> None:
    github = GitHubFacts(checks=(TEST,), protection=RULES)
    test, lint = RequiredCheck(name="test"), RequiredCheck(name="lint", app_id=5)
    assert required_checks(Gates(checks=("test",)), github) == (test,)
    assert required_checks(Gates(branch_checks=True), github) == (lint, test)
    assert required_checks(EVERY, github) == (test, lint)
    assert entry_answers(facts(Gates(checks=("test",)), github=github))[0].passed
    assert not entry_answers(facts(Gates(branch_checks=True), github=github))[0].passed
    # Its rules were not read: what they require is not known, and so not green.
    without = GitHubFacts(checks=(TEST,))
    assert not entry_answers(facts(EVERY, github=without))[0].passed


def test_the_checklist_is_told_and_opens_with_the_approvals() -> None:
    (found,) = entry_answers(facts(Gates(checklist=("alerts are on", "ana knows"))))
    assert (found.gate, found.passed) == ("checklist", True)
    assert found.reason == "each who approves ticks: alerts are on; ana knows"


def test_a_soak_without_an_environment_before_is_not_asked() -> None:
    assert entry_answers(facts(Gates(soak=60), upstream=None)) == ()


# -- waiting --------------------------------------------------------------------------------------------------------

YES = GateAnswer(gate="hold", passed=True, reason="ok")
NO = GateAnswer(gate="proven", passed=False, reason="no")
SOON = GateAnswer(gate="checks", passed=False, reason="test has not ended", waiting=True)


def until(seconds: float) -> GateAnswer:
    moment = NOW + timedelta(seconds=seconds)
    return GateAnswer(gate="soak", passed=False, reason="not yet", waiting=True, until=moment)


def pause(*answers: GateAnswer, waited: float = 0) -> float | None:
    return next_look(answers, EVERY, waited_seconds=waited, now=NOW).pause_seconds


def test_when_it_is_looked_again() -> None:
    assert pause(YES) is None
    assert pause(YES, SOON) == 20
    assert pause(SOON, waited=590) == 10
    assert pause(SOON, waited=600) is None
    assert pause(SOON, NO) is None
    assert pause(until(300)) == 300
    assert pause(until(300), until(500)) == 500
    assert pause(until(300), SOON) == 20
    assert pause(until(300), SOON, waited=301) is None
    assert pause(until(601)) is None
    assert pause(until(601), SOON) is None
    assert pause(until(0.1)) == 1


def test_what_was_waited_for_in_vain_is_said() -> None:
    look = next_look([YES, SOON, until(10)], EVERY, waited_seconds=600, now=NOW)
    assert [answer.reason for answer in look.answers] == [
        "ok",
        "test has not ended (not green in time: waited 10 min)",
        "not yet",
    ]


@given(st.lists(st.sampled_from([YES, NO, SOON, until(50), until(5000)]), max_size=5), st.floats(0, 2000))
def test_waiting_is_bounded_and_never_for_what_is_lost(answers: list[GateAnswer], waited: float) -> None:
    look = next_look(answers, EVERY, waited_seconds=waited, now=NOW)
    if look.pause_seconds is not None:
        assert waited < EVERY.wait
        assert look.pause_seconds <= max(1, EVERY.wait - waited)
        assert NO not in answers
        assert any(answer.waiting for answer in answers)
    assert [answer.passed for answer in look.answers] == [answer.passed for answer in answers]
