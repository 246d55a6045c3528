"""What a run may change it may change with its lease only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from tasks.kernel.clock import utc_now
from tasks.kernel.errors import FencedError
from tasks.kernel.protocols import Fence
from tasks.ledger.store import Ledger
from tasks.steps.lease_keeper import LeaseKeeper
from tasks.steps.run import Run
from tests.fakes.ledger import FakeLedger


def fence(keeper: LeaseKeeper | None) -> Fence:
    run = SimpleNamespace(keeper=keeper, directories={"prod-1": "/srv/shop"})
    return Run.fence(cast("Run", run), "prod-1")


def test_nothing_is_changed_before_the_lease_is_taken() -> None:
    with pytest.raises(RuntimeError, match="before the lease was taken"):
        fence(None)


def test_a_change_carries_the_leases_token() -> None:
    ledger = FakeLedger()
    lease = ledger.leases.acquire("shop", "prod", 7, 60, utc_now(), above=41)
    keeper = LeaseKeeper(cast("Ledger", ledger), lease)
    assert fence(keeper) == Fence(directory="/srv/shop", token=42)
    keeper.stop()


def test_nothing_is_changed_with_a_lease_that_ran_out() -> None:
    ledger = FakeLedger()
    keeper = LeaseKeeper(
        cast("Ledger", ledger), ledger.leases.acquire("shop", "prod", 7, 0, utc_now()), ttl_seconds=0
    )
    with pytest.raises(FencedError, match="the lease ran out"):
        fence(keeper)
    keeper.stop()
