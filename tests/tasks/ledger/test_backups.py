"""Dumps are listed with their receipts, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.errors import TerminalError
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
