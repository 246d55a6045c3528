"""The application's own migrations, run once with the new image before the switch."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

from blocks.values.receipts import MigrateReceipt
from tasks.database.live import database_engine
from tasks.database.schema import read_schema
from tasks.kernel.errors import TerminalError
from tasks.steps.run import Run
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from blocks.pipeline import Migration
    from blocks.values.facts import HostFacts
    from blocks.values.manifests import Manifest
    from tasks.kernel.protocols import Host, Result


@step("migrate", MigrateReceipt)
def migrate(
    run: Run, *, host: str, manifest: Manifest, container: str, known: HostFacts | None = None
) -> MigrateReceipt:
    """Run the migration command in a one-off container of the new image.

    Running it twice is safe: a container that an earlier try left is waited for and removed first, and
    the migration tool itself does only what is missing.

    Args:
        known: The host as it was read a moment ago under this very lease, when no earlier try had begun to migrate;
            it is not read again. None for nothing.

    Raises:
        TerminalError: The command failed or took too long; the message names the revision the database has.
    """
    began = time.monotonic()
    there = run.hosts[host]
    # Another try after a connection that was lost is given the same facts, and the migration may still be at work.
    if known is not None and not run.journal.repeated("migrate", host):
        database_running, before = known.database_running, known.revision
    else:
        database_running, before = _look(run, there, container)
    migration = run.description.migration
    if migration is None:
        raise RuntimeError("a migration was asked for where the release has none")
    result, after = run_migration(
        run, host, manifest, migration, migration.command, container=container, alone=database_running
    )
    if not result.ok:
        raise TerminalError(
            f"migrate: {' '.join(migration.command)} on {host} failed with status {result.exit_code}: "
            f"{result.reason()}",
            f"the previous release still runs, the database is at revision {after or 'unknown'}; "
            "fix the migration and promote again",
            result.tail(40),
        )
    log().info("%s: schema %s → %s", host, before or "none", after or "none")
    return MigrateReceipt(before=before, after=after, seconds=time.monotonic() - began)


def run_migration(
    run: Run,
    host: str,
    manifest: Manifest,
    migration: Migration,
    words: tuple[str, ...],
    *,
    container: str,
    alone: bool = True,
) -> tuple[Result, str | None]:
    """Run a migration command of a release in a one-off container; return its end and the revision after it."""
    result = run.target(host).run_once(
        manifest,
        migration.service,
        words,
        name=container,
        seconds=migration.timeout,
        alone=alone,
        # A migration that waits for a lock would make everybody behind it wait too.
        env=database_engine(run).locks.limits(run.policy.database),
        on_line=log().info,
    )
    return result, read_schema(run, run.hosts[host])[1]


def _look(run: Run, there: Host, container: str) -> tuple[bool, str | None]:
    """Say whether the database runs, and its revision once no migration of an earlier try is at work."""
    with ThreadPoolExecutor(1) as beside:
        clearing = beside.submit(copy_context().run, end_earlier, run, there, container)
        running, revision, _ = read_schema(run, there)
        if clearing.result():
            _, revision, _ = read_schema(run, there)
        return running, revision


def end_earlier(run: Run, there: Host, container: str) -> bool:
    """Wait for a migration an earlier try left running, then remove its container; False where there is none."""
    migration = run.description.migration
    seconds = migration.timeout if migration else 60.0
    waited = run.target(there.name).end_once(container, seconds=seconds)
    if waited:
        log().info("%s: waited for the migration an earlier try had left running", there.name)
    return waited
