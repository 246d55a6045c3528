"""Two at once, from two processes or threads with connections of their own: one wins, the other is told."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from blocks.values.lifecycle import Status
from tasks.kernel.errors import SluiceError
from tasks.ledger.errors import LeaseHeld
from tasks.ledger.holds import Holds
from tasks.ledger.leases import Leases
from tasks.ledger.promotions import Promotions
from tasks.ledger.store import Ledger
from tests.tasks.ledger.samples import PROD, RECEIPT, SHOP, at, bring, open_promotion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.ledger.records import Hold, Lease, PromotionRecord

T = TypeVar("T")
# Forked from a process that has read what they need, and nothing else of this one.
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload([__name__])
WAIT_SECONDS = 120


def in_processes(target: Callable[..., object], arguments: list[tuple[Any, ...]]) -> Counter[str]:
    """Run a function in one process per argument tuple, started together; count what they say."""
    barrier, answers = FORKED.Barrier(len(arguments)), FORKED.Queue()
    processes = [FORKED.Process(target=target, args=(barrier, answers, *one)) for one in arguments]
    for process in processes:
        process.start()
    said = Counter(answers.get(timeout=WAIT_SECONDS) for _ in processes)
    for process in processes:
        process.join(timeout=WAIT_SECONDS)
        assert process.exitcode == 0
        process.close()
    answers.close()
    answers.join_thread()
    return said


def at_once(url: str, calls: Sequence[Callable[[Ledger], T]]) -> list[T | SluiceError]:
    """Make each call in its own thread, on its own ledger, started together."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[Ledger], T]) -> T | SluiceError:
        with Ledger.open(url) as ledger:
            barrier.wait(timeout=WAIT_SECONDS)
            try:
                return call(ledger)
            except SluiceError as error:
                return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def outcomes(results: list[Any]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


def open_and_write(barrier: Any, answers: Any, url: str) -> None:
    barrier.wait(timeout=WAIT_SECONDS)
    try:
        with Ledger.open(url) as ledger:
            open_promotion(ledger)
        answers.put("opened")
    except BaseException as error:
        answers.put(repr(error))
        raise


def take_lease(barrier: Any, answers: Any, url: str, owner: int) -> None:
    with Ledger.open(url) as ledger:
        barrier.wait(timeout=WAIT_SECONDS)
        for attempt in range(20):
            try:
                lease = ledger.leases.acquire(SHOP, f"env-{attempt}", owner, 60, at(0))
            except SluiceError as error:
                answer = type(error).__name__
            else:
                answer = f"taken {lease.owner == owner}"
            if attempt == 0:
                answers.put(answer)


def test_two_processes_may_open_a_new_ledger_at_once(url: str) -> None:
    assert in_processes(open_and_write, [(url,)] * 2) == {"opened": 2}
    with Ledger.open(url) as ledger:
        assert len(ledger.promotions.history()) == 2


def test_threads_may_open_a_new_ledger_at_once(url: str) -> None:
    def run(_: int) -> int:
        barrier.wait(timeout=WAIT_SECONDS)
        with Ledger.open(url) as ledger:
            return open_promotion(ledger).id

    barrier = Barrier(6)
    with ThreadPoolExecutor(6) as threads:
        assert len(set(threads.map(run, range(6)))) == 6


def test_of_two_processes_one_gets_each_lease(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    owners = [open_promotion(ledger).id for _ in range(2)]
    said = in_processes(take_lease, [(url, owner) for owner in owners])
    assert said == {"taken True": 1, "LeaseHeld": 1}
    for attempt in range(20):
        lease = ledger.leases.get(SHOP, f"env-{attempt}")
        assert lease is not None
        assert lease.owner in owners
        assert lease.token == int(at(0).timestamp())


def test_of_many_one_takes_over_an_expired_lease(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    owners = [open_promotion(ledger).id for _ in range(6)]
    first = ledger.leases.acquire(SHOP, PROD, open_promotion(ledger).id, 60, at(0))
    calls = [lambda one, o=owner: one.leases.acquire(SHOP, PROD, o, 60, at(100)) for owner in owners]
    results = at_once(url, calls)
    assert outcomes(results) == {"Lease": 1, "LeaseHeld": 5}
    (taken,) = [one for one in results if not isinstance(one, SluiceError)]
    assert ledger.leases.get(SHOP, PROD) == taken
    assert taken.token == first.token + 100


def test_each_taking_of_ones_own_lease_gets_another_token(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    owner = open_promotion(ledger).id
    results = at_once(url, [lambda one: one.leases.acquire(SHOP, PROD, owner, 60, at(0))] * 4)
    tokens = {one.token for one in results if not isinstance(one, SluiceError)}
    # The very first writing may be lost to another thread; that one is told to try again.
    assert outcomes(results)["Lease"] == len(tokens)
    assert set(outcomes(results)) <= {"Lease", "LeaseHeld"}


def test_of_two_promotions_one_becomes_active(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    numbers = [bring(ledger, "one", Status.APPROVED).id for _ in range(4)]
    calls = [lambda one, n=n: one.promotions.move(n, Status.RUNNING, now=at(50)) for n in numbers]
    assert outcomes(at_once(url, calls)) == {"PromotionRecord": 1, "ActivePromotion": 3}
    assert [one.status for one in ledger.promotions.open_in(SHOP, PROD)].count(Status.RUNNING) == 1


def test_of_two_opposite_ends_one_is_written(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    number = bring(ledger, "one", Status.WAITING).id
    wanted = [Status.APPROVED, Status.REJECTED, Status.EXPIRED, Status.SUPERSEDED]
    calls = [lambda one, s=s: one.promotions.move(number, s, now=at(50), message=s) for s in wanted]
    results = at_once(url, calls)
    now_there = ledger.promotions.get(number)
    assert now_there is not None
    assert now_there.message == now_there.status  # the message belongs to the status that stands
    ends = [one for one in results if not isinstance(one, SluiceError) and one.ended_at is not None]
    assert [one.status for one in ends] in ([now_there.status], [])


def test_a_flow_run_that_opens_twice_at_once_has_one_promotion(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    results = at_once(url, [lambda one: open_promotion(one, "run-1")] * 4)
    assert {one.id for one in results if not isinstance(one, SluiceError)} == {
        one.id for one in ledger.promotions.history()
    }
    assert len(ledger.promotions.history()) == 1
    assert outcomes(results) == {"PromotionRecord": 4}


def test_a_code_given_several_times_at_once_counts_once(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    number = open_promotion(ledger).id

    def answer(one: Ledger) -> object:
        return one.approvals.add(
            promotion_id=number,
            plan_hash="p1",
            approver="alice",
            decision="approve",
            counted=True,
            refusal="",
            reason="",
            code_step=58_000_000,
            now=at(1),
        )

    assert outcomes(at_once(url, [answer] * 4)) == {"ApprovalRecord": 1, "CodeUsed": 3}
    assert len(ledger.approvals.of(number)) == 1


def test_every_start_of_a_step_is_counted(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    number = open_promotion(ledger).id
    results = at_once(url, [lambda one: one.steps.start(number, "pull", "prod-1", now=at(1))] * 4)
    assert outcomes(results) == {"StepRecord": 4}
    assert [step.attempts for step in ledger.steps.of(number)] == [4]


def test_parallel_steps_of_one_run_share_a_ledger(ledger: Ledger) -> None:
    number = open_promotion(ledger).id

    def run(index: int) -> None:
        ledger.steps.start(number, "pull", f"host-{index}", now=at(1))
        ledger.steps.finish(number, "pull", f"host-{index}", receipt=RECEIPT, now=at(2))

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(run, range(24)))
    assert [step.status for step in ledger.steps.of(number)] == ["finished"] * 24


class EndsMeanwhile(Promotions):
    """Between the refused change and the look at who holds the environment, the holder ends."""

    def active(self, pipeline: str, environment: str) -> PromotionRecord | None:
        holder = super().active(pipeline, environment)
        if holder is not None:
            self.move(holder.id, Status.SUCCEEDED, now=at(90))
        return super().active(pipeline, environment)


class GivenBackMeanwhile(Leases):
    """Between the refused taking and the look at who holds the lease, it is given back."""

    def get(self, pipeline: str, environment: str) -> Lease | None:
        held = super().get(pipeline, environment)
        if held is not None:
            self.release(held, at(1))
        return super().get(pipeline, environment)


class LiftedMeanwhile(Holds):
    """Between the refused hold and the look at the one that stands, that one is lifted."""

    def active(self, pipeline: str, environment: str) -> list[Hold]:
        self.release(pipeline, environment, "mended", "bob", at(5))
        return super().active(pipeline, environment)


def test_a_holder_that_ends_this_moment_makes_way(ledger: Ledger) -> None:
    bring(ledger, "one", Status.RUNNING)
    second = bring(ledger, "two", Status.APPROVED)
    promotions = EndsMeanwhile(ledger._database)
    assert promotions.move(second.id, Status.RUNNING, now=at(91)).status is Status.RUNNING


def test_a_lease_given_back_this_moment_is_free_at_the_next_try(ledger: Ledger) -> None:
    first, second = open_promotion(ledger).id, open_promotion(ledger).id
    ledger.leases.acquire(SHOP, PROD, first, 60, at(0))
    leases = GivenBackMeanwhile(ledger._database)
    with pytest.raises(LeaseHeld, match="was taken and released at this moment — try again"):
        leases.acquire(SHOP, PROD, second, 60, at(1))
    assert leases.acquire(SHOP, PROD, second, 60, at(1)).owner == second


def test_a_hold_lifted_this_moment_is_made_anew(ledger: Ledger) -> None:
    first = ledger.holds.add(SHOP, PROD, "r1", "rolled back", "alice", at(0))
    second = LiftedMeanwhile(ledger._database).add(SHOP, PROD, "r1", "again", "carol", at(6))
    assert second.id != first.id
    assert ledger.holds.active(SHOP, PROD) == [second]
