"""How a drill is told."""

from __future__ import annotations

from datetime import UTC, datetime

from blocks.values.evidence import DrillReceipt
from blocks.values.receipts import BackupReceipt
from flows.domain.database.drill import drill_line, drill_markdown, failure_text

T0 = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
BACKUP = BackupReceipt(
    host="prod",
    path="/srv/backups/one.dump",
    bytes=15_000_000,
    sha256="ab" * 32,
    entries=40,
    revision="0002",
    taken_at=T0,
    seconds=1.0,
)
PASSED = DrillReceipt(
    host="prod",
    backup_path=BACKUP.path,
    backup_sha256=BACKUP.sha256,
    tables=7,
    rows=1200,
    extensions=("pg_trgm 1.6", "plpgsql 1.0"),
    revision="0002",
    notes=("public.orders: 100 rows restored, 140 live",),
    restore_seconds=2.5,
    seconds=6.0,
    drilled_at=T0,
)
FAILED = PASSED.model_copy(
    update={"differences": ("the table public.<b>x</b> was not restored", *(f"line {n}" for n in range(60)))}
)


def test_a_drill_of_nothing_that_was_recorded_as_passed_proves_nothing() -> None:
    """Before, a dump of the wrong database was recorded so: no table restored, nothing different."""
    recorded = PASSED.to_json().replace('"tables":7', '"tables":0').replace('"why_empty":"",', "")
    before = DrillReceipt.from_json(recorded)
    assert not before.passed
    assert "has no table" in drill_line("prod", BACKUP, before)
    assert DrillReceipt.from_json(before.to_json()) == before
    known = DrillReceipt.from_json(recorded.replace('"rows"', '"why_empty":"nothing was promoted","rows"'))
    assert known.passed


def test_a_dump_that_restores_says_how_long_it_takes() -> None:
    line = drill_line("prod", BACKUP, PASSED)
    assert line == "the dump of prod of 2026-11-22 04:30 UTC restores in 2.5 s: 7 tables, 1200 rows"


def test_one_that_does_not_says_what_is_wrong_and_what_to_do() -> None:
    line = drill_line("prod", BACKUP, FAILED)
    assert "is not as it should be: the table public.<b>x</b> was not restored (and 60 more) — take" in line
    assert "\n" not in line


def test_people_are_told_where_and_what() -> None:
    text = failure_text("shop", "prod", "no room\nfor a copy", "http://ui/runs/1")
    assert text.splitlines() == [
        "Drill failed: shop prod has no dump that is known to restore",
        "no room for a copy",
        "http://ui/runs/1",
    ]
    assert len(failure_text("shop", "prod", "x" * 5000, "").splitlines()) == 2


def test_the_page_has_the_proof() -> None:
    page = drill_markdown("shop", "prod", BACKUP, PASSED)
    assert page.startswith("# Drill of shop prod: the dump restores\n")
    for part in ("15 MB", "2.5 s", "pg_trgm 1.6", "## Explained", "140 live"):
        assert part in page
    assert "## Differences" not in page


def test_the_page_has_the_differences_and_stays_short() -> None:
    page = drill_markdown("shop", "prod", BACKUP, FAILED)
    assert "is not as it should be" in page
    assert "<b>" not in page.replace("\\<", "")
    assert "- and 11 more" in page
