"""The lease is taken before the first change, waited for within bounds, and told to every host."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from tasks.kernel.clock import utc_now
from tasks.kernel.errors import FencedError, TerminalError
from tasks.kernel.protocols import Fence
from tasks.steps.lease import take_lease
from tasks.steps.run import Run
from tests.fakes.host import FakeHost
from tests.fakes.ledger import FakeLedger

DIRECTORY = "/srv/shop"
PROMOTION, OTHER = 7, 6


@pytest.fixture
def run() -> Iterator[Run]:
    """As much of a run as taking the lease looks at."""
    hosts = {name: FakeHost(name) for name in ("prod-1", "prod-2")}
    place = SimpleNamespace(
        ledger=FakeLedger(),
        hosts=hosts,
        directories=dict.fromkeys(hosts, DIRECTORY),
        pipeline="shop",
        environment="prod",
        promotion_id=PROMOTION,
        policy=SimpleNamespace(timeouts=SimpleNamespace(lease_wait=0.0)),
        keeper=None,
    )
    yield cast("Run", place)
    if place.keeper is not None:
        place.keeper.stop()


def held_by_another(run: Run) -> None:
    run.ledger.leases.acquire("shop", "prod", OTHER, 60, utc_now())


def fences(run: Run) -> list[int]:
    return [host.fences[DIRECTORY] for host in cast("dict[str, FakeHost]", run.hosts).values()]


def test_its_token_is_the_highest_each_host_knows(run: Run) -> None:
    cast("FakeHost", run.hosts["prod-2"]).files[f"{DIRECTORY}/fence"] = b"41\n"
    assert take_lease.fn(run).text == "token 42"
    assert run.keeper is not None
    assert run.keeper.token() == 42
    assert fences(run) == [42, 42]


def test_taken_again_its_token_grows(run: Run) -> None:
    take_lease.fn(run)
    assert run.keeper is not None
    run.keeper.stop()
    take_lease.fn(run)
    assert fences(run) == [2, 2]


def test_a_fence_that_is_no_number_counts_as_none(run: Run) -> None:
    cast("FakeHost", run.hosts["prod-1"]).files[f"{DIRECTORY}/fence"] = b"-1 or so"
    assert take_lease.fn(run).text == "token 1"


def test_it_waits_for_another_promotion_and_says_so_once(
    run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by_another(run)
    leases, asked = cast("FakeLedger", run.ledger).leases, []

    def given_back_after_three() -> None:
        asked.append(leases.lease)
        if len(asked) > 3:
            leases.lease = None

    leases.asked = given_back_after_three
    run.policy.timeouts.__dict__["lease_wait"] = 60.0
    with monkeypatch.context() as quick, caplog.at_level(logging.INFO, "sluice"):
        quick.setattr(time, "sleep", lambda _: None)
        take_lease.fn(run)
    assert len(asked) >= 4
    waiting = [line for line in caplog.messages if "waiting" in line]
    assert waiting == ["the lease of shop/prod is locked by promotion 6; waiting"]


def test_it_does_not_wait_for_ever(run: Run) -> None:
    held_by_another(run)
    with pytest.raises(TerminalError, match="locked by promotion 6") as told:
        take_lease.fn(run)
    assert told.value.todo == "start this promotion again when that one has ended"
    assert run.keeper is None


def test_a_host_that_knows_a_higher_token_ends_it(run: Run) -> None:
    run.hosts["prod-2"].raise_fence(Fence(directory=DIRECTORY, token=99))
    with pytest.raises(FencedError):
        take_lease.fn(run)
