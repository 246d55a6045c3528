"""PURE: which dumps are kept at one place, and which may go. The last good one never goes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Protocol

from blocks.values.evidence import DrillReceipt
from blocks.values.receipts import BackupReceipt

# How long a dump that a restore can be undone with is kept where the policy has no age.
RESTORE_DAYS = 30

# What `backup_name` makes: environment, time, and what the dump was taken for.
_NAME = re.compile(r"(?P<environment>.+)-(?P<stamp>\d{8}T\d{6}Z)-before-[A-Za-z0-9._-]+\.dump")


class Recorded(Protocol):
    """A dump as the ledger has it."""

    @property
    def promotion_id(self) -> int:
        """The promotion that took it."""
        ...

    @property
    def receipt(self) -> BackupReceipt:
        """Where it is, how large, its checksum."""
        ...


@dataclass(frozen=True)
class StoredDump:
    """A dump's file at one place: a host, or a folder somewhere else.

    Attributes:
        receipt: True when its receipt (`<name>.json`) is there too, which is written last.
    """

    name: str
    bytes: int
    receipt: bool


@dataclass(frozen=True)
class Dump:
    """What is known of a dump at one place.

    Attributes:
        good: True when the ledger knows it as read back, and it has the size it had then.
        undoes: True when it was taken before a restore, which it undoes.
        empty: True when it holds no table, whether that is right or not.
    """

    name: str
    taken_at: datetime
    good: bool = False
    drilled: bool = False
    needed: bool = False
    undoes: bool = False
    empty: bool = False


@dataclass(frozen=True)
class History:
    """What the ledger says of an environment's dumps.

    Attributes:
        restoring: The promotions that go back to an earlier release: their dumps undo that.
    """

    recorded: Sequence[Recorded] = ()
    drills: Sequence[DrillReceipt] = ()
    open: Collection[int] = ()
    restoring: Collection[int] = ()


def is_good(receipt: BackupReceipt, *, built_in: bool) -> bool:
    """Say whether a dump counts as good by its receipt: read back, as far as its kind can be.

    Args:
        built_in: True for PostgreSQL's own dump, which `pg_restore` reads back.
    """
    return receipt.bytes > 0 and receipt.counts and (receipt.entries is not None or not built_in)


def known_dumps(
    stored: Iterable[StoredDump], history: History, *, environment: str, built_in: bool
) -> tuple[Dump, ...]:
    """Put together what is known of the dumps at one place.

    Files that Sluice did not name are not among them: nobody but their owner removes them.
    """
    recorded = {PurePosixPath(one.receipt.path).name: one for one in history.recorded}
    proven = {drill.backup_sha256 for drill in history.drills if drill.passed}
    found = [
        _known(file, moment, recorded, proven, history, built_in=built_in)
        for file in stored
        if (moment := _named_at(file.name, environment)) is not None
    ]
    return tuple(sorted(found, key=lambda dump: (dump.taken_at, dump.name), reverse=True))


def _named_at(name: str, environment: str) -> datetime | None:
    """Return the time in a dump's name; None for a file that is not one of the environment's dumps."""
    match = _NAME.fullmatch(name)
    if match is None or match["environment"] != re.sub(r"[^A-Za-z0-9._-]", "-", environment):
        return None
    try:
        return datetime.strptime(match["stamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _known(
    file: StoredDump,
    named_at: datetime,
    recorded: Mapping[str, Recorded],
    proven: Collection[str],
    history: History,
    *,
    built_in: bool,
) -> Dump:
    record = recorded.get(file.name)
    if record is None:
        return Dump(file.name, named_at)
    receipt = record.receipt
    whole = file.receipt and file.bytes == receipt.bytes
    return Dump(
        name=file.name,
        taken_at=receipt.taken_at,
        good=whole and is_good(receipt, built_in=built_in),
        drilled=whole and receipt.sha256 in proven,
        needed=record.promotion_id in history.open,
        undoes=record.promotion_id in history.restoring,
        empty=receipt.holds is False,
    )


def to_remove(dumps: Sequence[Dump], *, keep: int, keep_days: int | None, now: datetime) -> tuple[str, ...]:
    """Decide which dumps of one place may go.

    Kept are the newest `keep` good ones that are not older than `keep_days`, and as many of the others (taken for a
    plan, before the ledger was made anew, or of an emptied database): they take no good one's place. Whatever their
    number and age there stay the newest good one, the newest drilled one, those of open promotions, and for
    `keep_days` those that undo a restore. Where none is good, the newest stays: it may be all there is.

    Args:
        keep_days: How old they may become; None: any age.

    Returns:
        The names of those to remove, oldest first.
    """
    newest = sorted(dumps, key=lambda dump: (dump.taken_at, dump.name), reverse=True)
    good = [dump for dump in newest if dump.good and not dump.empty]
    others = [dump for dump in newest if dump not in good]
    kept = [dump for dump in (*good[:keep], *others[:keep]) if not _older(dump, keep_days, now)]
    kept += [dump for dump in newest if dump.needed]
    kept += [dump for dump in newest if dump.undoes and not _older(dump, keep_days or RESTORE_DAYS, now)]
    kept += (good or newest)[:1]
    kept += [dump for dump in newest if dump.drilled and not dump.empty][:1]
    names = {dump.name for dump in kept}
    return tuple(dump.name for dump in reversed(newest) if dump.name not in names)


def _older(dump: Dump, days: int | None, now: datetime) -> bool:
    return days is not None and now - dump.taken_at > timedelta(days=days)
