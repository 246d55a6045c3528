"""Dumps are listed with their receipts, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.kernel.errors import TerminalError
from tests.tasks.ledger.samples import NOBODY, PROD, SHOP, at, make_backup, open_promotion

if TYPE_CHECKING:
    from tasks.ledger.records import BackupRecord
    from tasks.ledger.store import Ledger


def keep(ledger: Ledger, number: int, path: str, environment: str = PROD) -> BackupRecord:
    return ledger.backups.add(
        promotion_id=number, pipeline=SHOP, environment=environment, receipt=make_backup(path), now=at(1)
    )


def test_dumps_come_newest_first(ledger: Ledger) -> None:
    number = open_promotion(ledger).id
    first, second = keep(ledger, number, "1.dump"), keep(ledger, number, "2.dump")
    keep(ledger, number, "3.dump", "staging")
    assert first.receipt == make_backup("1.dump")
    assert (first.promotion_id, first.pipeline, first.environment) == (number, SHOP, PROD)
    assert first.created_at == at(1)
    assert ledger.backups.of(SHOP, PROD) == [second, first]
    assert ledger.backups.of("blog", PROD) == []


def test_a_record_goes_through_json(ledger: Ledger) -> None:
    kept = keep(ledger, open_promotion(ledger).id, "1.dump")
    assert type(kept).from_json(kept.to_json()) == kept


def test_a_dump_needs_its_promotion(ledger: Ledger) -> None:
    with pytest.raises(TerminalError, match="refused a row"):
        keep(ledger, NOBODY, "1.dump")


def test_a_copy_is_noted_once_and_at_its_own_dump(ledger: Ledger) -> None:
    number, other = open_promotion(ledger).id, open_promotion(ledger).id
    for owner, path in ((number, "1.dump"), (number, "2.dump"), (other, "2.dump")):
        keep(ledger, owner, path)
    for copy in ("vault:/copies/2.dump", "s3://dumps/2.dump", "vault:/copies/2.dump"):
        ledger.backups.note_copy(number, "2.dump", copy)
    ledger.backups.note_copy(NOBODY, "2.dump", "vault:/copies/2.dump")
    found = {
        (one.promotion_id, one.receipt.path): one.receipt.copies for one in ledger.backups.of(SHOP, PROD)
    }
    assert found == {
        (number, "1.dump"): (),
        (number, "2.dump"): ("vault:/copies/2.dump", "s3://dumps/2.dump"),
        (other, "2.dump"): (),
    }


def test_a_receipt_from_before_there_were_copies_is_read(ledger: Ledger) -> None:
    kept = keep(ledger, open_promotion(ledger).id, "1.dump").receipt
    old = kept.model_dump_json(exclude={"counters", "copies"})
    assert type(kept).from_json(old) == kept
