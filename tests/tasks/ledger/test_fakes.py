"""The ledger in memory that steps are tested with answers as the real one does."""

from __future__ import annotations

from typing import cast

import pytest

from tasks.kernel.errors import FencedError
from tasks.ledger.errors import LeaseHeld
from tasks.ledger.records import Lease
from tasks.ledger.store import Ledger
from tests.fakes.ledger import FakeLedger
from tests.tasks.ledger.samples import PROD, RECEIPT, SHOP, at, open_promotion


@pytest.fixture
def numbers(ledger: Ledger) -> tuple[int, int]:
    """Two promotions, which the one in memory need not know."""
    return open_promotion(ledger).id, open_promotion(ledger).id


@pytest.fixture(params=["real", "fake"])
def either(request: pytest.FixtureRequest, ledger: Ledger) -> Ledger:
    return ledger if request.param == "real" else cast("Ledger", FakeLedger())


def test_a_step(either: Ledger, numbers: tuple[int, int]) -> None:
    def row() -> tuple[object, ...]:
        found = either.steps.get(numbers[0], "up", "prod-1")
        assert found is not None
        return found.status, found.attempts, found.error, found.receipt, found.finished_at

    place = (numbers[0], "up", "prod-1")
    either.steps.start(*place, now=at(1))
    assert row() == ("started", 1, None, None, None)
    either.steps.fail(*place, error="exit 1", now=at(2))
    assert row() == ("failed", 1, "exit 1", None, at(2))
    either.steps.start(*place, now=at(3))
    assert row() == ("started", 2, None, None, None)
    either.steps.finish(*place, receipt=RECEIPT, now=at(4))
    finished = row()
    assert finished == ("finished", 2, None, RECEIPT.to_json(), at(4))
    either.steps.start(*place, now=at(5))
    either.steps.fail(*place, error="late", now=at(6))
    assert row() == finished
    assert either.steps.get(numbers[0], "up") is None
    assert [one.name for one in either.steps.of(numbers[0])] == ["up"]
    assert either.steps.of(numbers[1]) == []


def test_a_lease(either: Ledger, numbers: tuple[int, int]) -> None:
    first, second = numbers

    def acquire(owner: int, above: int = 0) -> Lease:
        return either.leases.acquire(SHOP, PROD, owner, 60, at(0), above=above)

    high = int(at(0).timestamp()) + 100
    mine = acquire(first, above=high)
    assert (mine.owner, mine.token, mine.expires_at) == (first, high + 1, at(60))
    with pytest.raises(LeaseHeld, match=f"is locked by promotion {first}"):
        acquire(second)
    assert either.leases.renew(mine, 60, at(9)).expires_at == at(69)
    again = acquire(first)
    assert again.token == mine.token + 1
    with pytest.raises(FencedError):
        either.leases.renew(mine, 60, at(10))
    either.leases.release(mine, at(10))
    with pytest.raises(LeaseHeld):
        acquire(second)
    either.leases.release(again, at(11))
    assert acquire(second).token == again.token + 1
