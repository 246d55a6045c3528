"""The promotion from gates to record: what follows what, and what ends it. A real ledger; each step is a word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import Plan
from flows.gates.entry import UndecidedError
from flows.promotion import flow
from flows.promotion.pending_release import PendingRelease
from flows.promotion.prepare import Prepared
from flows.runs import conduct
from flows.runs.conduct import Request
from tasks.kernel.errors import FencedError, RefusedError, TerminalError
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.lease import FakeKeeper
from tests.flows.servers import RUNS, ended, make_run, server
from tests.tasks.ledger.samples import START, make_plan, make_release

NOTHING: Any = None
REQUEST = Request(Kind.PROMOTE, "prod", "main", "default", "cleo")
CHANGED = RUNS.model_copy(update={"revision": "m9"})


class Promotion:
    """A promotion whose steps are words in `done`.

    Attributes:
        asks: True where people are asked.
        answers: What people say, one for each time they are asked.
        plans: The plans of later looks, one for each; the first one again when they are used up.
        errors: What a step raises, once for each error.
    """

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = make_run(ledger, [server("web-1")], Status.PLANNING)
        self.ledger = ledger
        self.asks = True
        self.answers: list[Status] = []
        self.plans: list[Plan] = []
        self.errors: dict[str, list[Exception]] = {}
        self.done: list[str] = []
        self.unchanged = False
        self.brought = False
        self.others = False
        plan = make_plan("two")

        def keeper(run: Run) -> None:
            self.note("lease")
            run.keeper = cast("Any", FakeKeeper(lambda: self.note("given back")))

        self.run.keeper = None
        monkeypatch.setattr(conduct, "take_lease", keeper)
        words: dict[str, Any] = {
            "prepare_release": lambda *_, checks: self.note(
                "prepare" if checks else "prepare again", self.prepared()
            ),
            "unchanged": lambda _: self.unchanged,
            "brought_meanwhile": lambda _, prepared: prepared if self.brought else None,
            "verify_only": lambda _: self.note("verify", self.row),
            "raise_first": lambda _: self.note("checks"),
            "started_early": self._started,
            "make_and_show_plan": lambda *_: self.note("plan", plan),
            "others_wait": lambda _: self.others,
            "begin_checks": lambda *_: None,
            "take_place": lambda *_: self.note("place"),
            "authors_of": lambda *_: frozenset(),
            "ask_until_quorum": lambda *_, **__: self.note("ask", self._answer()),
            "read_hosts": lambda _: self.note("hosts", {"web-1": CHANGED}),
            "planned_again": lambda *_: self.note("plan again", self.plans.pop(0) if self.plans else plan),
            "carry_out": lambda run, _: self.note("change", self._succeed(run)),
            "finish": lambda *_, **__: self.note("finish", self.row),
            "wait_for_gates": lambda *_: self.note("wait for gates"),
            "go_on": lambda *_, restoring: self.note("go back on" if restoring else "go on", self.row),
            "report_again": lambda *_: self.note("report", self.row),
        }
        for name, word in words.items():
            monkeypatch.setattr(flow, name, word)

    def note(self, word: str, answer: Any = None) -> Any:
        self.done.append(word)
        if self.errors.get(word):
            raise self.errors[word].pop(0)
        return answer

    @contextmanager
    def _started(self, prepared: Prepared) -> Iterator[Any]:
        self.note("early")
        yield SimpleNamespace(
            finish_release=lambda: prepared, wait=lambda: self.note("wait"), change=lambda *_: None
        )

    def _answer(self) -> Status:
        return self.answers.pop(0) if self.answers else Status.APPROVED

    def _succeed(self, run: Run) -> PromotionRecord:
        return run.ledger.promotions.move(run.promotion_id, Status.SUCCEEDED, now=START)

    def prepared(self) -> Prepared:
        pending = PendingRelease.recorded(self.run, make_release("two"))
        return Prepared(self.run, REQUEST, NOTHING, pending, NOTHING, {"web-1": RUNS}, asks=self.asks)

    @property
    def row(self) -> PromotionRecord:
        row = self.ledger.promotions.get(self.run.promotion_id)
        assert row is not None
        return row

    def __call__(self) -> PromotionRecord:
        session: Any = SimpleNamespace(repository=SimpleNamespace(github=""), ledger=self.ledger)
        return flow._promote(session, self.run, REQUEST, NOTHING, self.row)


@pytest.fixture
def promote(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Promotion:
    return Promotion(ledger, monkeypatch)


ASKED = ["early", "plan", "wait", "place", "ask", "lease", "hosts", "plan again"]


def test_where_people_are_asked_the_plan_is_made_again_under_the_lease(promote: Promotion) -> None:
    assert promote().status is Status.SUCCEEDED
    assert promote.done == ["prepare", "checks", *ASKED, "change", "finish", "given back"]


def test_where_nobody_is_asked_one_lease_is_kept_from_plan_to_record(promote: Promotion) -> None:
    promote.asks = False
    assert promote().status is Status.SUCCEEDED
    steps = ["early", "plan", "wait", "place", "ask", "change", "finish"]
    assert promote.done == ["prepare", "checks", "lease", *steps, "given back"]


def test_what_runs_already_is_only_verified(promote: Promotion) -> None:
    promote.unchanged = True
    promote()
    assert promote.done == ["prepare", "verify"]


def test_what_another_brought_while_the_lease_was_waited_for_is_only_verified(promote: Promotion) -> None:
    promote.asks, promote.brought = False, True
    promote()
    assert promote.done == ["prepare", "checks", "lease", "verify", "given back"]


def test_where_somebody_waits_the_hosts_are_asked_before_its_place_is_taken(promote: Promotion) -> None:
    promote.others = True
    promote.errors["checks"] = []
    promote()
    assert promote.done[2:6] == ["early", "plan", "wait", "checks"]


def test_a_host_that_refuses_is_known_before_people_are_asked(promote: Promotion) -> None:
    promote.errors["checks"] = [RefusedError("the disk is full")]
    with pytest.raises(RefusedError, match="the disk is full"):
        promote()
    assert promote.done == ["prepare", "checks"]


def test_what_changed_meanwhile_is_planned_anew(promote: Promotion) -> None:
    promote.plans = [make_plan("two", revision="m9")]
    assert promote().status is Status.SUCCEEDED
    assert promote.done == [
        "prepare",
        "checks",
        *ASKED,
        "given back",
        "hosts",
        *ASKED,
        "change",
        "finish",
        "given back",
    ]


def test_what_changes_each_time_is_given_up(promote: Promotion) -> None:
    promote.plans = [make_plan("two", revision=f"m{one}") for one in range(9)]
    with pytest.raises(RefusedError, match="changed 5 times while this promotion was planned"):
        promote()
    assert (promote.done.count("ask"), promote.done.count("change")) == (5, 0)
    ended(promote.run, Status.PLANNING)


def test_a_gate_that_has_not_decided_is_waited_for_without_the_lease(promote: Promotion) -> None:
    promote.asks = False
    promote.errors["plan"] = [UndecidedError(), UndecidedError()]
    assert promote().status is Status.SUCCEEDED
    waited = ["lease", "early", "plan", "given back", "wait for gates"]
    assert promote.done[2:12] == waited * 2


def test_a_gate_that_never_decides_is_given_up(promote: Promotion) -> None:
    promote.asks = False
    promote.errors["plan"] = [UndecidedError() for _ in range(9)]
    with pytest.raises(RefusedError, match="or its gates changed 5 times"):
        promote()
    assert "change" not in promote.done


@pytest.mark.parametrize(
    ("answer", "line"),
    [(Status.REJECTED, "rejected: "), (Status.EXPIRED, "the approvals did not come in time")],
)
def test_without_a_yes_nothing_is_changed(promote: Promotion, answer: Status, line: str) -> None:
    promote.answers = [answer]
    promote.ledger.promotions.move(promote.run.promotion_id, Status.WAITING, now=START)
    # The policy asks: people were asked before the run was suspended.
    promote.run.policy = promote.run.policy.model_copy(update={"approvals": SimpleNamespace()})
    assert promote().status is answer
    assert promote.done == ["prepare again", "checks", *ASKED[:5], "finish"]
    assert ended(promote.run, answer) == line


def test_where_the_policy_asks_nobody_any_more_an_old_question_is_not_passed_over(promote: Promotion) -> None:
    promote.ledger.promotions.move(promote.run.promotion_id, Status.WAITING, now=START)
    with pytest.raises(RefusedError, match="no approval is needed any more"):
        promote()
    assert promote.done == []


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("word", ["early", "plan", "wait", "place", "ask", "change", "finish"])
@pytest.mark.parametrize("error", [TerminalError("no"), FencedError("lost"), KeyError("odd")])
def test_whatever_fails_the_lease_is_given_back_and_nothing_follows(
    promote: Promotion, asks: bool, word: str, error: Exception
) -> None:
    promote.asks = asks
    promote.errors[word] = [error]
    with pytest.raises(type(error)):
        promote()
    assert promote.done.count("lease") == promote.done.count("given back")
    assert [one for one in promote.done if one != "given back"][-1] == word


def test_without_the_lease_nothing_is_planned(promote: Promotion) -> None:
    promote.asks = False
    promote.errors["lease"] = [TerminalError("promotion 7 has the lease")]
    with pytest.raises(TerminalError, match="has the lease"):
        promote()
    assert promote.done == ["prepare", "checks", "lease"]


@pytest.mark.parametrize(
    ("status", "steps", "word"),
    [
        (Status.RUNNING, (), "go on"),
        (Status.RUNNING, (("up", "started"),), "go on"),
        (Status.RUNNING, (("up", "failed"),), "go back on"),
        (Status.RESTORING, (("up", "failed"),), "go back on"),
        (Status.SUCCEEDED, (), "report"),
        (Status.FAILED, (), "report"),
    ],
)
def test_a_run_that_was_killed_goes_on_where_it_was(
    promote: Promotion, status: Status, steps: tuple[tuple[str, str], ...], word: str
) -> None:
    number, promotions = promote.run.promotion_id, promote.ledger.promotions
    for following in dict.fromkeys((Status.APPROVED, Status.RUNNING, status)):
        promotions.move(number, following, now=START)
    for name, state in steps:
        promote.ledger.steps.start(number, name, "web-1", now=START)
        if state == "failed":
            promote.ledger.steps.fail(number, name, "web-1", error="red", now=START)
    promote()
    assert promote.done == [word]


def test_one_that_was_approved_plans_again_without_new_checks(promote: Promotion) -> None:
    promote.ledger.promotions.move(promote.run.promotion_id, Status.APPROVED, now=START)
    promote.unchanged = True
    assert promote().status is Status.SUCCEEDED
    assert promote.done[:2] == ["prepare again", "checks"]
