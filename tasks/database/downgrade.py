"""Down-migrations: tried on a copy of now, and run on the live database by the release that has them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from blocks.values.receipts import BackupReceipt, MigrateReceipt
from blocks.values.rollback import DowngradeTrial
from tasks.database.copies import ask_copy, open_copy
from tasks.database.live import backup_of, call, database_engine, login_of, within
from tasks.database.loss import compare, lost_by_downgrade
from tasks.database.migrate import end_earlier, run_migration
from tasks.database.rehearse import downgrade_on_copy
from tasks.database.schema import read_schema
from tasks.host.alembic import downgrade_words
from tasks.host.scripts import dump
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, Limits
from tasks.steps.run import Run
from tasks.steps.step import fact, log, step

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from tasks.database.copies import Copy

_BEFORE = "sluice_before"


@fact("try downgrade")
def try_downgrade(run: Run, *, host: str, manifest: Manifest, to_revision: str, name: str) -> DowngradeTrial:
    """Take a copy of the database as it is now back to a revision, and compare what is left with what was.

    Running it twice is safe: nothing live is touched, and what a killed try left is removed first.

    Returns:
        How it went; down-migrations that fail, or lose something, are such a result.
    """
    began = time.monotonic()
    path = f"{run.directories[host]}/rehearsals/{name}.dump"
    try:
        backup = _dump_now(run, host, path)
        with open_copy(run, name=name, backup=backup, host=host) as copy:
            trial = _try(run, copy, manifest, to_revision, name)
    finally:
        run.hosts[host].run(Call(argv=("rm", "-f", "--", path, f"{path}.part"), limits=Limits(60, 60)))
    log().info("%s: tried the downgrade to %s in %.1f s", host, to_revision, time.monotonic() - began)
    return trial


def _dump_now(run: Run, host: str, path: str) -> BackupReceipt:
    """Dump the database for this trial alone; it changes nothing there, so no lease is needed."""
    backup, began = backup_of(run), time.monotonic()
    inner = within(run, database_engine(run).dumps.dump(login_of(backup)))
    result = run.hosts[host].run(call(dump(path, inner), backup.timeout))
    if not result.ok:
        raise TerminalError(
            f"the database on {host} could not be dumped for a trial: {result.tail(2)}",
            "nothing was changed; fix the cause and retry",
        )
    checksum, size = result.stdout.split()[-2:]
    return BackupReceipt(
        host=host,
        path=path,
        bytes=int(size),
        sha256=checksum,
        entries=None,
        revision=None,
        taken_at=utc_now(),
        seconds=time.monotonic() - began,
    )


def _try(run: Run, copy: Copy, manifest: Manifest, to_revision: str, name: str) -> DowngradeTrial:
    if copy.restore_errors:
        return DowngradeTrial(to_revision=to_revision, passed=False, reason=copy.restore_errors[0])
    ask_copy(run, copy, database_engine(run).copies.duplicate(copy.database, _BEFORE))
    outcome = downgrade_on_copy(run, copy=copy, manifest=manifest, to_revision=to_revision, name=name)
    if not outcome.ok:
        return DowngradeTrial(
            to_revision=to_revision, passed=False, reason=outcome.reason, seconds=outcome.seconds
        )
    found = compare(
        database_engine(run).comparison,
        partial(ask_copy, run, copy, database=_BEFORE),
        partial(ask_copy, run, copy),
    )
    return DowngradeTrial(
        to_revision=to_revision, passed=True, lost=lost_by_downgrade(found), seconds=outcome.seconds
    )


def _elsewhere(run: Run, revision: str, wanted: str) -> str:
    """Say that down-migrations ended at another revision, where the tool is one whose revisions are known."""
    migration = run.description.migration
    if migration is None or migration.alembic is None or revision == ("" if wanted == "base" else wanted):
        return ""
    return f"they ended at revision {revision or 'none'}, not at {wanted}"


@step("downgrade", MigrateReceipt)
def downgrade(run: Run, *, host: str, manifest: Manifest, to_revision: str, container: str) -> MigrateReceipt:
    """Run the down-migrations on the live database, by the release that has them.

    Running it twice is safe: a container an earlier try left is waited for and removed first, and the tool
    itself does only what is missing.

    Args:
        run: The promotion, its services paused and its database kept under another name.
    """
    began = time.monotonic()
    there, migration = run.hosts[host], run.description.migration
    words = downgrade_words(migration, to_revision) if migration else None
    if migration is None or words is None:
        raise RuntimeError("a downgrade was asked for where the release has none")
    end_earlier(run, there, container)
    _, before, _ = read_schema(run, there)
    result, after = run_migration(run, host, manifest, migration, words, container=container)
    if not result.ok:
        raise TerminalError(
            f"downgrade: {' '.join(words)} on {host} failed with status {result.exit_code}: {result.reason()}",
            f"the database was at revision {after or 'unknown'} and is restored as it was",
            result.tail(40),
        )
    elsewhere = _elsewhere(run, after or "", to_revision)
    if elsewhere:
        raise TerminalError(
            f"downgrade: {' '.join(words)} on {host}: {elsewhere}", "the database is restored as it was"
        )
    log().info("%s: schema %s → %s", host, before or "none", after or "none")
    return MigrateReceipt(before=before, after=after, seconds=time.monotonic() - began)
