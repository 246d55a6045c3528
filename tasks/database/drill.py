"""Proving a dump: it is restored into a throw-away copy, and the copy is compared with the live database."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING

from blocks.values.evidence import DrillReceipt
from tasks.database.commands.drill import DatabaseFacts, compare, empty_difference
from tasks.database.copies import BrokenDumpError, Copy, ask_copy, open_copy
from tasks.database.live import ask_live, database_engine
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError
from tasks.steps.step import fact, log, step

if TYPE_CHECKING:
    from blocks.values.receipts import BackupReceipt
    from tasks.steps.run import Run


@step("drill", DrillReceipt)
def drill(run: Run, *, host: str, backup: BackupReceipt) -> DrillReceipt:
    """Restore a dump into a throw-away container and compare it with the live database.

    Running it twice is safe: it touches nothing live, and removes the copy an earlier try left.

    Returns:
        What was compared, what differs, and how long the restore took. A dump that is not what was written, or that
        does not restore, is a difference: the receipt says so, and nothing is raised.
    """
    name = f"{run.pipeline}.{run.environment}.drill.{run.promotion_id}"
    return prove(run, name=name, backup=backup, host=run.policy.database.drill_host or host)


@fact("prove dump")
def prove_dump(run: Run, *, host: str, backup: BackupReceipt) -> DrillReceipt:
    """Do the same outside of a promotion, on schedule.

    Running it twice is safe: it touches nothing live, and removes the copy an earlier try left.
    """
    name = f"{run.pipeline}.{run.environment}.drill"
    return prove(run, name=name, backup=backup, host=run.policy.database.drill_host or host)


def prove(run: Run, *, name: str, backup: BackupReceipt, host: str | None = None) -> DrillReceipt:
    """Open a copy of a dump and drill it."""
    began = time.monotonic()
    try:
        with open_copy(run, name=name, backup=backup, host=host) as copy:
            receipt = drill_copy(run, copy, backup)
    except BrokenDumpError as error:
        receipt = _broken(backup, error)
    receipt = receipt.model_copy(update={"seconds": time.monotonic() - began})
    _tell(receipt)
    return receipt


def drill_copy(run: Run, copy: Copy, backup: BackupReceipt) -> DrillReceipt:
    """Compare an open copy, before anything in it is changed, with the live database.

    Returns:
        What was found. Its seconds are those of the restore and the comparison.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        question = database_engine(run).dumps.DATABASE_FACTS
        asking = beside.submit(copy_context().run, question.put, partial(ask_live, run))
        restored = _ask_restored(run, copy)
        live = asking.result()
    found = compare(live, restored, revision=backup.revision, counters=backup.counters)
    return DrillReceipt(
        host=copy.host,
        backup_path=backup.path,
        backup_sha256=backup.sha256,
        tables=len(restored.tables),
        rows=restored.rows,
        extensions=tuple(sorted(f"{name} {version}" for name, version in restored.extensions.items())),
        revision=restored.revision,
        why_empty="" if restored.tables else backup.why_empty,
        differences=(
            *(f"{database_engine(run).copies.RESTORE_TOOL}: {line}" for line in copy.restore_errors),
            *empty_difference(restored, backup.why_empty),
            *found.differences,
        ),
        notes=found.notes,
        restore_seconds=copy.restore_seconds,
        seconds=copy.restore_seconds + time.monotonic() - began,
        drilled_at=utc_now(),
    )


def _ask_restored(run: Run, copy: Copy) -> DatabaseFacts:
    try:
        return database_engine(run).dumps.DATABASE_FACTS.put(partial(ask_copy, run, copy))
    except TerminalError:
        if not copy.restore_errors:
            raise
        # Of a dump that cannot be read, not even the database is there.
        return DatabaseFacts()


def _broken(backup: BackupReceipt, error: BrokenDumpError) -> DrillReceipt:
    return DrillReceipt(
        host=backup.host,
        backup_path=backup.path,
        backup_sha256=backup.sha256,
        tables=0,
        rows=0,
        differences=(error.what,),
        restore_seconds=0.0,
        seconds=0.0,
        drilled_at=utc_now(),
    )


def _tell(receipt: DrillReceipt) -> None:
    for note in receipt.notes:
        log().info("drill: %s", note)
    for difference in receipt.differences:
        log().error("drill: %s", difference)
    if receipt.passed:
        log().info(
            "drill: %s tables with %s rows restored in %.1f s and compared",
            receipt.tables,
            receipt.rows,
            receipt.restore_seconds,
        )
