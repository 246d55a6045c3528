"""Which dumps may go: the last good one never does, whatever the policy, the clock and the ledger say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.evidence import DrillReceipt
from blocks.values.receipts import BackupReceipt
from tasks.host.retention import (
    RESTORE_DAYS,
    Dump,
    History,
    StoredDump,
    is_good,
    known_dumps,
    to_remove,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def dump(days: float, **known: bool) -> Dump:
    return Dump(f"{days:g}", days_ago(days), **known)


def removed(*dumps: Dump, keep: int = 100, keep_days: int | None = None) -> set[str]:
    return set(to_remove(dumps, keep=keep, keep_days=keep_days, now=NOW))


def test_the_newest_stay_by_number() -> None:
    dumps = [dump(age, good=True) for age in (3, 1, 2, 4)]
    assert to_remove(dumps, keep=2, keep_days=None, now=NOW) == ("4", "3")


def test_the_young_stay_by_age() -> None:
    assert removed(dump(1, good=True), dump(9.9, good=True), dump(10.1, good=True), keep_days=10) == {"10.1"}


def test_the_last_good_one_stays_however_old_it_is() -> None:
    assert removed(dump(1), dump(2), dump(400, good=True), dump(401, good=True), keep=1, keep_days=7) == {
        "2",
        "401",
    }


def test_the_newest_stays_where_none_is_known_to_be_good() -> None:
    assert removed(dump(50), dump(60), keep=1, keep_days=7) == {"60"}


def test_the_newest_drilled_one_stays_too() -> None:
    dumps = (dump(1, good=True), dump(20, good=True, drilled=True), dump(30, good=True, drilled=True))
    assert removed(*dumps, keep=1, keep_days=7) == {"30"}


def test_what_an_open_promotion_took_stays() -> None:
    assert removed(dump(1, good=True), dump(90, needed=True), keep=1, keep_days=7) == set()


@pytest.mark.parametrize(
    ("age", "keep_days", "gone"),
    [(9, 10, False), (11, 10, True), (RESTORE_DAYS - 1, None, False), (RESTORE_DAYS + 1, None, True)],
)
def test_what_undoes_a_restore_stays_for_its_time(age: float, keep_days: int | None, gone: bool) -> None:
    dumps = (dump(0, good=True), dump(1, good=True), dump(age, good=True, undoes=True))
    assert (f"{age:g}" in removed(*dumps, keep=1, keep_days=keep_days)) == gone


def test_dumps_nobody_recorded_take_no_good_ones_place() -> None:
    dumps = (dump(1), dump(2), dump(3), dump(4, good=True), dump(5, good=True), dump(6, good=True))
    assert removed(*dumps, keep=2) == {"3", "6"}


def test_a_clock_that_went_back_removes_nothing_by_age() -> None:
    assert removed(dump(-400, good=True), dump(-2, good=True), keep_days=1) == set()


DUMPS = st.lists(
    st.builds(
        Dump,
        st.uuids().map(str),
        st.integers(-2000, 2000).map(lambda hours: NOW - timedelta(hours=hours)),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)
KEEP, KEEP_DAYS = st.integers(1, 5), st.none() | st.integers(1, 400)


@given(DUMPS, KEEP, KEEP_DAYS)
def test_always(dumps: list[Dump], keep: int, keep_days: int | None) -> None:
    gone = set(to_remove(dumps, keep=keep, keep_days=keep_days, now=NOW))
    left = [one for one in dumps if one.name not in gone]
    assert not dumps or left
    for good in ([one for one in dumps if one.good], [one for one in dumps if one.drilled]):
        if good:
            assert max(good, key=lambda one: (one.taken_at, one.name)).name not in gone
    assert not any(one.needed for one in dumps if one.name in gone)
    # Done again, there is nothing left to do.
    assert to_remove(left, keep=keep, keep_days=keep_days, now=NOW) == ()


@given(DUMPS, KEEP, KEEP_DAYS)
def test_more_is_kept_by_a_wider_policy(dumps: list[Dump], keep: int, keep_days: int | None) -> None:
    narrow = set(to_remove(dumps, keep=keep, keep_days=keep_days, now=NOW))
    assert set(to_remove(dumps, keep=keep + 1, keep_days=keep_days, now=NOW)) <= narrow
    assert set(to_remove(dumps, keep=keep, keep_days=None, now=NOW)) <= narrow | {
        one.name for one in dumps if one.undoes
    }


# -- what is known of a file ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    promotion_id: int
    receipt: BackupReceipt


def receipt(name: str, **changes: object) -> BackupReceipt:
    values: dict[str, object] = {
        "host": "prod",
        "path": f"/app/backups/{name}",
        "bytes": 100,
        "sha256": "a" * 64,
        "entries": 3,
        "tables": 2,
        "revision": "1",
        "taken_at": days_ago(1),
        "seconds": 1.0,
    }
    return BackupReceipt.model_validate(values | changes)


def drill(**changes: object) -> DrillReceipt:
    values: dict[str, object] = {
        "host": "prod",
        "backup_path": "/app/backups/x",
        "backup_sha256": "a" * 64,
        "tables": 1,
        "rows": 1,
        "restore_seconds": 1.0,
        "seconds": 2.0,
        "drilled_at": NOW,
    }
    return DrillReceipt.model_validate(values | changes)


NAME = "prod-20261120T053300Z-before-20261120101500-1f3c2ab00000.dump"


def known(stored: StoredDump, history: History = History(), *, built_in: bool = True) -> tuple[Dump, ...]:  # noqa: B008
    return known_dumps([stored], history, environment="prod", built_in=built_in)


@pytest.mark.parametrize(
    "name",
    [
        "before-the-big-one.dump",
        "staging-20261120T053300Z-before-x.dump",
        "eu-prod-20261120T053300Z-before-x.dump",
        "prod-20261320T053300Z-before-x.dump",
        "prod-20261120T053300Z-before-a b.dump",
        "prod-20261120T053300Z-before-x.dump.part",
    ],
)
def test_a_file_sluice_did_not_name_is_nobodys_to_remove(name: str) -> None:
    assert known(StoredDump(name, 100, receipt=True)) == ()


def test_a_dump_the_ledger_does_not_know_is_not_good() -> None:
    (found,) = known(StoredDump(NAME, 100, receipt=True))
    assert found == Dump(NAME, datetime(2026, 11, 20, 5, 33, tzinfo=UTC))


@pytest.mark.parametrize(
    ("stored", "changes", "built_in", "good"),
    [
        (StoredDump(NAME, 100, receipt=True), {}, True, True),
        (StoredDump(NAME, 99, receipt=True), {}, True, False),
        (StoredDump(NAME, 100, receipt=False), {}, True, False),
        (StoredDump(NAME, 100, receipt=True), {"entries": None}, True, False),
        (StoredDump(NAME, 100, receipt=True), {"entries": None, "tables": None}, False, True),
    ],
)
def test_good_is_what_was_read_back_and_has_its_size(
    stored: StoredDump, changes: dict[str, object], built_in: bool, good: bool
) -> None:
    history = History(recorded=[Row(7, receipt(NAME, **changes))], drills=[drill()])
    (found,) = known(stored, history, built_in=built_in)
    assert found.good is good
    assert found.taken_at == days_ago(1)
    assert found.drilled == (stored.receipt and stored.bytes == 100)


def test_a_drill_that_found_a_difference_proves_nothing() -> None:
    history = History(recorded=[Row(7, receipt(NAME))], drills=[drill(differences=("orders is missing",))])
    assert not known(StoredDump(NAME, 100, receipt=True), history)[0].drilled


def test_open_promotions_and_restores_are_seen() -> None:
    history = History(recorded=[Row(7, receipt(NAME))], open={7}, restoring={7})
    (found,) = known(StoredDump(NAME, 100, receipt=True), history)
    assert found.needed
    assert found.undoes


def test_an_empty_dump_is_not_good() -> None:
    assert not is_good(receipt(NAME, bytes=0), built_in=False)


def test_a_dump_without_a_table_never_takes_the_place_of_one_that_holds_some() -> None:
    """After tables were dropped by mistake each promotion takes an empty dump."""
    why = "DATABASE_URL of web leads to it"
    history = History(recorded=[Row(7, receipt(NAME, tables=0, why_empty=why))], drills=[drill()])
    (empty,) = known(StoredDump(NAME, 100, receipt=True), history)
    assert (empty.good, empty.empty) == (True, True)
    assert removed(empty, dump(2, good=True, drilled=True), dump(3, good=True), keep=1, keep_days=1) == {"3"}


def test_of_an_earlier_versions_dump_the_counters_tell_whether_it_held_a_table() -> None:
    assert not is_good(receipt(NAME, tables=None), built_in=True)
    assert is_good(receipt(NAME, tables=None, counters={"public.orders": (0, 0, 0)}), built_in=True)
    assert is_good(receipt(NAME, tables=None, entries=None), built_in=False)
