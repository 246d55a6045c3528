"""A step is done once, whatever interrupts it; its row says how it ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.values.receipts import StepReceipt
from tasks.kernel.errors import FencedError, TerminalError, TransientError
from tasks.kernel.redact import MASK, process_redactor
from tasks.ledger.records import StepRecord
from tasks.ledger.store import Ledger
from tasks.steps.run import Journal, Run
from tasks.steps.step import RETRIES, fact, step
from tests.fakes.ledger import FakeLedger

PROMOTION = 7
DONE = StepReceipt(text="done")


class Work:
    """A step's work: it raises what is planned, then does it."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.done = 0

    def __call__(self) -> StepReceipt:
        if self.errors:
            raise self.errors.pop(0)
        self.done += 1
        return DONE


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def run(ledger: FakeLedger) -> Run:
    """As much of a run as a step looks at."""
    return cast("Run", SimpleNamespace(journal=Journal(cast("Ledger", ledger), PROMOTION)))


def row(ledger: FakeLedger, host: str = "") -> StepRecord:
    found = ledger.steps.get(PROMOTION, "pull", host)
    assert found is not None
    return found


@step("pull", StepReceipt)
def pull(run: Run, work: Work) -> StepReceipt:
    return work()


@step("pull", StepReceipt)
def pull_on(run: Run, work: Work, *, host: str) -> StepReceipt:
    return work()


@step("pull", StepReceipt)
def pull_image(run: Run, work: Work, *, target: str) -> StepReceipt:
    return work()


def test_a_step_that_finished_is_not_run_again(run: Run, ledger: FakeLedger) -> None:
    work = Work()
    assert pull.fn(run, work) == DONE
    assert pull.fn(run, work) == DONE
    assert work.done == 1
    assert (row(ledger).status, row(ledger).attempts) == ("finished", 1)


def test_a_step_that_failed_is_run_again_and_its_row_says_so(run: Run, ledger: FakeLedger) -> None:
    work = Work(TransientError("the registry did not answer", "wait"))
    with pytest.raises(TransientError):
        pull.fn(run, work)
    assert (row(ledger).status, row(ledger).error) == ("failed", "the registry did not answer — wait")
    assert pull.fn(run, work) == DONE
    assert (row(ledger).status, row(ledger).attempts, row(ledger).error) == ("finished", 2, None)


def test_the_row_is_there_before_the_work_begins(run: Run, ledger: FakeLedger) -> None:
    seen = []

    def look() -> StepReceipt:
        seen.append(row(ledger).status)
        return DONE

    pull.fn(run, cast("Work", look))
    assert seen == ["started"]


def test_a_step_that_was_cut_stays_begun_and_is_run_again(run: Run, ledger: FakeLedger) -> None:
    work = Work(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        pull.fn(run, work)
    assert row(ledger).status == "started"
    assert run.journal.begun("pull")
    assert pull.fn(run, work) == DONE
    assert (row(ledger).status, row(ledger).attempts) == ("finished", 2)


def test_an_error_is_kept_without_secrets_and_within_bounds(run: Run, ledger: FakeLedger) -> None:
    process_redactor().add("open-sesame-77")
    with pytest.raises(TerminalError):
        pull.fn(run, Work(TerminalError("login with open-sesame-77 failed " + "x" * 5000)))
    error = row(ledger).error
    assert error is not None
    assert error.startswith(f"login with {MASK} failed x")
    assert len(error) == 2000


def test_each_host_and_each_image_has_its_own_row(run: Run, ledger: FakeLedger) -> None:
    work = Work()
    for host in ("prod-1", "prod-2", "prod-1"):
        pull_on.fn(run, work, host=host)
    pull_image.fn(run, work, target="backend")
    assert work.done == 3
    assert {one.host for one in ledger.steps.of(PROMOTION)} == {"prod-1", "prod-2", "backend"}


def test_what_finished_in_another_promotion_does_not_count(run: Run, ledger: FakeLedger) -> None:
    work = Work()
    pull.fn(run, work)
    other = SimpleNamespace(journal=Journal(cast("Ledger", ledger), PROMOTION + 1))
    pull.fn(cast("Run", other), work)
    assert work.done == 2


class Ended:
    """A task run's state."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    def result(self) -> object:
        if self.error is not None:
            raise self.error
        return DONE


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (TransientError("down", "wait"), True),
        (TerminalError("broken", "repair"), False),
        (FencedError("lost", "stop"), False),
        (ValueError("a bug"), False),
        (KeyboardInterrupt(), False),
        (None, False),
    ],
)
def test_only_what_another_try_may_cure_is_tried_again(error: BaseException | None, *, again: bool) -> None:
    assert pull.retries == RETRIES
    may_retry = cast("Any", pull.retry_condition_fn)
    assert may_retry(pull, None, Ended(error)) is again


def test_prefect_keeps_no_result_and_shows_where_a_step_runs() -> None:
    assert [one.task_run_name for one in (pull, pull_on, pull_image)] == [
        "pull",
        "pull {host}",
        "pull {target}",
    ]
    assert not pull.persist_result

    @fact("look")
    def look(host: str) -> str:
        return host

    assert (look.fn("prod-1"), look.task_run_name, look.persist_result) == ("prod-1", "look {host}", False)
