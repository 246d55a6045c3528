"""A held release stays out until a person says why it may come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tasks.ledger.samples import PROD, SHOP, at

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger


def test_a_hold_stands_until_it_is_lifted(ledger: Ledger) -> None:
    hold = ledger.holds.add(SHOP, PROD, "r1", "rolled back", "alice", at(0))
    assert (hold.release_id, hold.reason, hold.created_by, hold.created_at) == (
        "r1",
        "rolled back",
        "alice",
        at(0),
    )
    assert (hold.released_at, hold.released_by, hold.release_reason) == (None, None, None)
    assert ledger.holds.active(SHOP, PROD) == [hold]
    assert ledger.holds.release(SHOP, PROD, "mended", "bob", at(9)) == 1
    assert ledger.holds.active(SHOP, PROD) == []
    assert ledger.holds.release(SHOP, PROD, "mended", "bob", at(9)) == 0


def test_holding_twice_is_one_hold(ledger: Ledger) -> None:
    first = ledger.holds.add(SHOP, PROD, "r1", "rolled back", "alice", at(0))
    assert ledger.holds.add(SHOP, PROD, "r1", "again", "bob", at(5)) == first
    assert ledger.holds.active(SHOP, PROD) == [first]


def test_a_lifted_release_can_be_held_anew(ledger: Ledger) -> None:
    first = ledger.holds.add(SHOP, PROD, "r1", "rolled back", "alice", at(0))
    ledger.holds.release(SHOP, PROD, "mended", "bob", at(5))
    second = ledger.holds.add(SHOP, PROD, "r1", "not mended", "alice", at(9))
    assert second.id != first.id
    assert ledger.holds.active(SHOP, PROD) == [second]


def test_all_holds_of_one_environment_are_lifted_and_no_others(ledger: Ledger) -> None:
    one = ledger.holds.add(SHOP, PROD, "r1", "", "alice", at(0))
    two = ledger.holds.add(SHOP, PROD, "r2", "", "alice", at(1))
    staging = ledger.holds.add(SHOP, "staging", "r1", "", "alice", at(0))
    blog = ledger.holds.add("blog", PROD, "r1", "", "alice", at(0))
    assert ledger.holds.active(SHOP, PROD) == [one, two]
    assert ledger.holds.release(SHOP, PROD, "mended", "bob", at(5)) == 2
    assert ledger.holds.active(SHOP, "staging") == [staging]
    assert ledger.holds.active("blog", PROD) == [blog]
