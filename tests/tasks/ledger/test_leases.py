"""One promotion at a time holds an environment, and its token tells it from every earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.kernel.errors import FencedError, TerminalError, TransientError
from tasks.ledger.errors import LeaseHeld
from tests.tasks.ledger.samples import NOBODY, PROD, SHOP, START, at, open_promotion

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger


@pytest.fixture
def owners(ledger: Ledger) -> tuple[int, int]:
    """Two promotions that want the same environment."""
    return open_promotion(ledger).id, open_promotion(ledger).id


def test_a_free_lease_is_taken(ledger: Ledger, owners: tuple[int, int]) -> None:
    assert ledger.leases.get(SHOP, PROD) is None
    lease = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    assert (lease.pipeline, lease.environment, lease.owner) == (SHOP, PROD, owners[0])
    assert (lease.acquired_at, lease.expires_at) == (at(0), at(60))
    assert ledger.leases.get(SHOP, PROD) == lease


def test_a_held_lease_is_refused_until_it_runs_out(ledger: Ledger, owners: tuple[int, int]) -> None:
    first = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    with pytest.raises(LeaseHeld) as told:
        ledger.leases.acquire(SHOP, PROD, owners[1], 60, at(59.9))
    assert isinstance(told.value, TransientError)
    assert f"shop/prod is locked by promotion {owners[0]} until 2026-11-21 03:01:00 UTC" in told.value.what
    assert ledger.leases.get(SHOP, PROD) == first
    second = ledger.leases.acquire(SHOP, PROD, owners[1], 60, at(60))
    assert second.owner == owners[1]
    assert second.token > first.token


def test_environments_have_their_own_leases(ledger: Ledger, owners: tuple[int, int]) -> None:
    ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    assert ledger.leases.acquire(SHOP, "staging", owners[1], 60, at(0)).owner == owners[1]
    assert ledger.leases.acquire("blog", PROD, owners[1], 60, at(0)).owner == owners[1]


def test_ones_own_lease_is_taken_again_with_a_higher_token(ledger: Ledger, owners: tuple[int, int]) -> None:
    first = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    again = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    assert again.token == first.token + 1
    with pytest.raises(FencedError):  # the earlier life of the run
        ledger.leases.renew(first, 60, at(2))
    assert ledger.leases.renew(again, 60, at(2)).token == again.token


def test_the_token_outgrows_a_lost_ledger_and_never_falls(ledger: Ledger, owners: tuple[int, int]) -> None:
    first = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    assert first.token == int(START.timestamp())
    later = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(500))
    assert later.token == first.token + 500
    clock_set_back = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(100))
    assert clock_set_back.token == later.token + 1


def test_a_renewed_lease_lasts_longer(ledger: Ledger, owners: tuple[int, int]) -> None:
    lease = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    renewed = ledger.leases.renew(lease, 60, at(20))
    assert renewed == lease.model_copy(update={"expires_at": at(80)})
    with pytest.raises(LeaseHeld):
        ledger.leases.acquire(SHOP, PROD, owners[1], 60, at(79))


def test_a_lease_that_ran_out_untaken_is_renewed(ledger: Ledger, owners: tuple[int, int]) -> None:
    lease = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    assert ledger.leases.renew(lease, 60, at(100)).expires_at == at(160)


def test_a_lost_lease_is_not_renewed(ledger: Ledger, owners: tuple[int, int]) -> None:
    lost = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    taken = ledger.leases.acquire(SHOP, PROD, owners[1], 60, at(61))
    with pytest.raises(FencedError, match=f"promotion {owners[0]} lost the lease of shop/prod") as told:
        ledger.leases.renew(lost, 60, at(62))
    assert f"promotion {owners[1]} has it now" in told.value.what
    assert ledger.leases.get(SHOP, PROD) == taken


def test_a_lease_is_given_back_and_its_token_kept(ledger: Ledger, owners: tuple[int, int]) -> None:
    lease = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    ledger.leases.release(lease, at(1))
    ledger.leases.release(lease, at(1))
    free = ledger.leases.get(SHOP, PROD)
    assert free is not None
    assert (free.owner, free.expires_at, free.token) == (None, None, lease.token)
    with pytest.raises(FencedError, match="nobody has it now"):
        ledger.leases.renew(lease, 60, at(1))
    assert ledger.leases.acquire(SHOP, PROD, owners[1], 60, at(1)).token == lease.token + 1


def test_only_ones_own_lease_is_given_back(ledger: Ledger, owners: tuple[int, int]) -> None:
    lost = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    taken = ledger.leases.acquire(SHOP, PROD, owners[1], 60, at(61))
    ledger.leases.release(lost, at(62))
    assert ledger.leases.get(SHOP, PROD) == taken


def test_a_renewed_lease_is_given_back_with_what_was_first_taken(
    ledger: Ledger, owners: tuple[int, int]
) -> None:
    lease = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0))
    ledger.leases.renew(lease, 60, at(20))
    ledger.leases.release(lease, at(30))
    free = ledger.leases.get(SHOP, PROD)
    assert free is not None
    assert free.owner is None


def test_a_lease_needs_its_promotion(ledger: Ledger) -> None:
    with pytest.raises(TerminalError, match="refused a row"):
        ledger.leases.acquire(SHOP, PROD, NOBODY, 60, at(0))
    assert ledger.leases.get(SHOP, PROD) is None


def test_the_token_outgrows_what_a_host_knows(ledger: Ledger, owners: tuple[int, int]) -> None:
    # An offline rollback raised the fence by a clock that is an hour ahead.
    known = int(START.timestamp()) + 3600
    first = ledger.leases.acquire(SHOP, PROD, owners[0], 60, at(0), above=known)
    assert first.token == known + 1
    ledger.leases.release(first, at(1))
    assert ledger.leases.acquire(SHOP, PROD, owners[1], 60, at(2), above=known + 1).token == known + 2
