"""How a flow ends when it fails outside the change itself: the run and the ledger agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State

from blocks.git_repository import GitRepository
from blocks.values.lifecycle import Kind, Status
from flows.runs import conduct
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import FencedError, RefusedError, TerminalError, TransientError
from tasks.kernel.redact import process_redactor
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tests.fakes.lease import FakeKeeper

REQUEST = conduct.Request(Kind.PROMOTE, "prod", "v1", "default", "cleo")


class Play:
    """Conducts a flow whose body does what a test says, on a real ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def __call__(self, act: Callable[[PromotionRecord], object]) -> tuple[State[Any], PromotionRecord]:
        def body(session: object, request: object, row: PromotionRecord) -> PromotionRecord:
            del session, request
            act(row)
            return row

        state = conduct.conduct(REQUEST, body)
        return state, self.ledger.promotions.history("shop", "prod", limit=1)[0]

    def begin(self, row: PromotionRecord) -> None:
        for status in (Status.APPROVED, Status.RUNNING):
            self.ledger.promotions.move(row.id, status, now=utc_now())


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        policy = SimpleNamespace(pipeline="shop")
        repository = GitRepository(url=str(tmp_path / "shop.git"))
        session = SimpleNamespace(
            ledger=ledger, repository=repository, policy=lambda _: policy, showing=lambda _: None
        )

        @contextmanager
        def open_session(source: str, **_: object) -> Iterator[object]:
            del source
            yield session

        run_id = str(uuid4())
        monkeypatch.setattr(conduct, "open_ledger", lambda: nullcontext(ledger))
        monkeypatch.setattr(conduct, "open_session", open_session)
        monkeypatch.setattr(conduct, "flow_run_key", lambda: run_id)
        yield Play(ledger)


def throw(error: BaseException) -> Callable[..., Any]:
    def act(*_: object, **__: object) -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TerminalError("git: no such ref", "name another"), Status.FAILED),
        (RefusedError("prod takes tags only", "nothing was touched"), Status.REFUSED),
        (ZeroDivisionError("division by zero"), Status.FAILED),
        # Raised inside a context manager's block it comes out as another error, and says nothing any more.
        (StopIteration(), Status.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_row_ends_with_the_line_the_run_shows(play: Play, error: Exception, status: Status) -> None:
    state, row = play(throw(error))
    assert row.status is status
    assert state.is_failed()
    assert (state.name, state.message) == (status.value.capitalize(), row.message)
    assert row.message


def test_an_error_nobody_foresaw_is_named(play: Play) -> None:
    state, _ = play(throw(ZeroDivisionError("division by zero")))
    assert state.message == "unexpected ZeroDivisionError: division by zero — report this bug in Sluice"


def test_before_the_switch_a_begun_promotion_ends(play: Play) -> None:
    def act(row: PromotionRecord) -> None:
        play.begin(row)
        raise TerminalError("feature cannot be reached", "look at the network")

    state, row = play(act)
    assert row.status is Status.FAILED
    assert state.message == row.message


def test_after_the_switch_began_it_stays_open_for_a_retry(play: Play) -> None:
    def act(row: PromotionRecord) -> None:
        play.begin(row)
        play.ledger.steps.start(row.id, "up", "prod", now=utc_now())
        raise TerminalError("prod cannot be reached", "look at the network")

    state, row = play(act)
    assert row.status is Status.RUNNING
    assert state.is_failed()
    assert "prod cannot be reached" in (state.message or "")
    assert "retry this run" in (state.message or "")

    def succeed(again: PromotionRecord) -> None:
        assert again.id == row.id
        play.ledger.promotions.move(row.id, Status.SUCCEEDED, now=utc_now())

    _, row = play(succeed)
    assert row.status is Status.SUCCEEDED


def test_what_fails_after_the_end_does_not_change_it(play: Play) -> None:
    def act(row: PromotionRecord) -> None:
        play.begin(row)
        play.ledger.promotions.move(row.id, Status.SUCCEEDED, now=utc_now(), message="it runs")
        raise ZeroDivisionError

    state, row = play(act)
    assert row.status is Status.SUCCEEDED
    assert (state.name, state.message) == ("Completed", "it runs")


def keeping(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> tuple[Any, list[FakeKeeper]]:
    """Return a run, and the leases that are taken for it."""
    run, taken = SimpleNamespace(keeper=None), list[FakeKeeper]()

    def take(given: Any) -> None:
        if error is not None and taken:
            raise error
        given.keeper = FakeKeeper()
        taken.append(given.keeper)

    monkeypatch.setattr(conduct, "take_lease", take)
    return run, taken


def test_a_lease_within_a_lease_is_the_same_and_is_given_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run, taken = keeping(monkeypatch)
    with conduct.lease_held(run):
        with conduct.lease_held(run):
            pass
        assert [one.kept for one in taken] == [True]
    assert [one.kept for one in taken] == [False]
    with conduct.lease_held(run):
        assert [one.kept for one in taken] == [False, True]


def test_a_lease_is_given_back_whatever_happens_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run, taken = keeping(monkeypatch)
    with pytest.raises(KeyboardInterrupt), conduct.lease_held(run):
        raise KeyboardInterrupt
    assert [one.kept for one in taken] == [False]


def test_where_a_host_refuses_the_token_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    run, taken = keeping(monkeypatch, FencedError("a higher token"))
    with conduct.lease_held(run):
        pass
    with pytest.raises(FencedError), conduct.lease_held(run):
        raise AssertionError("without the lease nothing is changed")
    assert [one.kept for one in taken] == [False]


def test_a_run_that_cannot_be_cancelled_is_only_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    @contextmanager
    def client(**_: object) -> Iterator[Any]:
        yield SimpleNamespace(set_flow_run_state=lambda run, *_, **__: asked.append(run))

    monkeypatch.setattr(conduct, "get_client", client)
    # What had no run, as after a rollback without the ledger, has none to cancel.
    conduct.cancel_run(None, "superseded")
    conduct.cancel_run("77-aa#2", "superseded")
    assert asked == ["77-aa"]
    monkeypatch.setattr(conduct, "get_client", throw(RuntimeError("503")))
    conduct.cancel_run("77-aa", "superseded")
    assert "77-aa could not be cancelled: 503" in caplog.text


def test_without_a_ledger_the_run_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        conduct, "open_ledger", throw(TransientError("the ledger does not answer", "start it"))
    )
    state = conduct.conduct(REQUEST, lambda *_: pytest.fail("nothing is done without its row"))
    assert (state.is_failed(), state.message) == (True, "the ledger does not answer — start it")


def test_a_secret_stands_neither_in_the_row_nor_in_the_run(play: Play) -> None:
    process_redactor().add("hunter2-hunter2")
    state, row = play(throw(TerminalError("login with hunter2-hunter2 failed")))
    assert "hunter2" not in f"{state.message} {row.message}"
