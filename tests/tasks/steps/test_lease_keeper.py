"""A lease is renewed while its run lives; a lost or expired one changes nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from tasks.kernel.clock import utc_now
from tasks.kernel.errors import FencedError, TransientError
from tasks.kernel.poll import poll
from tasks.ledger.store import Ledger
from tasks.steps.lease_keeper import LeaseKeeper
from tests.fakes.ledger import FakeLedger

# Renewed every 10 ms.
TTL = 0.03


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@contextmanager
def kept(ledger: FakeLedger, ttl: float = TTL) -> Iterator[LeaseKeeper]:
    lease = ledger.leases.acquire("shop", "prod", 7, ttl, utc_now())
    keeper = LeaseKeeper(cast("Ledger", ledger), lease, ttl)
    try:
        yield keeper
    finally:
        keeper.stop()


def lost(keeper: LeaseKeeper) -> str:
    """Return why there is no token, empty where there is one."""
    try:
        keeper.token()
    except FencedError as error:
        return error.what
    return ""


def test_it_is_renewed_for_longer_than_it_lasts(ledger: FakeLedger) -> None:
    with kept(ledger, 0.3) as keeper:
        first = keeper.token()
        assert poll(lambda: ledger.leases.renewals >= 4, seconds=9, every=0.01)
        assert keeper.token() == first
        assert keeper.kept


def test_one_that_was_taken_has_no_token_and_is_left_to_its_new_owner(ledger: FakeLedger) -> None:
    with kept(ledger) as keeper:
        assert ledger.leases.lease is not None
        taken = ledger.leases.lease.model_copy(update={"owner": 8, "token": 99})
        ledger.leases.lease = taken
        assert poll(lambda: lost(keeper), seconds=9, every=0.005) == (
            "the lease was lost: another promotion has it now"
        )
    assert ledger.leases.lease == taken


def test_one_that_cannot_be_renewed_runs_out(ledger: FakeLedger) -> None:
    with kept(ledger) as keeper:
        ledger.leases.error = TransientError("the ledger did not answer", "wait")
        assert poll(lambda: lost(keeper), seconds=9, every=0.005) == (
            "the lease ran out: the ledger could not be reached to renew it"
        )
        ledger.leases.error = None


def test_a_ledger_that_was_away_for_a_moment_costs_nothing(ledger: FakeLedger) -> None:
    with kept(ledger, 0.3) as keeper:
        ledger.leases.error = TransientError("the ledger did not answer", "wait")
        keeper.token()
        ledger.leases.error = None
        assert poll(lambda: ledger.leases.renewals, seconds=9, every=0.01)
        keeper.token()


def test_it_is_given_back_at_the_end(ledger: FakeLedger) -> None:
    with kept(ledger, 60) as keeper:
        pass
    assert not keeper.kept
    assert ledger.leases.lease is not None
    assert ledger.leases.lease.owner is None
