"""The pending migration, run on a copy of the database before anybody is asked; and both releases on the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blocks.values.evidence import HealthProof, LockFact, RehearsalReceipt
from tasks.adapters.protocols import Call, Limits
from tasks.aside import clear, describe, one_line, prove, set_aside
from tasks.commands import locks
from tasks.commands.alembic import downgrade_words
from tasks.commands.copies import query_copy
from tasks.commands.pg import pg_options
from tasks.copies import ask_copy, open_copy
from tasks.drill import drill_copy
from tasks.errors import SluiceError, TerminalError
from tasks.run import Run, utc_now
from tasks.step import fact, log

if TYPE_CHECKING:
    from blocks.pipeline import Migration
    from blocks.values.evidence import DrillReceipt
    from blocks.values.manifests import Manifest
    from blocks.values.receipts import BackupReceipt
    from blocks.values.releases import Release
    from tasks.aside import Aside, Described
    from tasks.commands.compose import ComposeProject
    from tasks.copies import Copy

# How long the earlier release may take to become healthy, as a multiple of what the new one took, and at least.
# Its own health check may allow minutes; a release that starts in two seconds does not need them.
_OLD_FACTOR, _OLD_LEAST_SECONDS = 4.0, 20.0


class Outcome(NamedTuple):
    """How a command on a copy ended.

    Attributes:
        ok: True when it ended well.
        reason: Why not, one line; empty when it did.
        seconds: How long it took.
    """

    ok: bool
    reason: str
    seconds: float


@dataclass(frozen=True)
class _Stage:
    """Where one rehearsal takes place."""

    run: Run
    host: str
    mark: str
    folder: str

    @classmethod
    def of(cls, run: Run, host: str, name: str) -> _Stage:
        mark = f"{run.pipeline}-rehearsal-{name}".lower()
        return cls(run, host, mark, f"{run.directories[host]}/rehearsals/{name}")

    def clear(self) -> None:
        clear(self.run.hosts[self.host], mark=self.mark, folder=self.folder)

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Clear it at the end; what cannot be removed now is removed by the next one."""
        try:
            yield
        finally:
            try:
                self.clear()
            except SluiceError as error:
                log().warning("%s", error)

    def describe(self, manifest: Manifest) -> Described:
        wanted, migration = _services(self.run), self.run.description.migration
        return describe(
            self.run,
            host=self.host,
            manifest=manifest,
            wanted=wanted,
            beside=(migration.service,) if migration else (),
        )

    def set_aside(self, copy: Copy, described: Described, role: str) -> Aside:
        return set_aside(self.run, copy, described, mark=self.mark, role=role, folder=self.folder)


@fact("rehearse")
def rehearse(
    run: Run,
    *,
    host: str,
    backup: BackupReceipt,
    release: Release,
    manifest: Manifest,
    previous: Manifest | None,
    name: str,
) -> RehearsalReceipt:
    """Restore the dump, run the pending migration there, and start the new and the running release on the result.

    Nothing live is touched: all runs in containers of its own, on a network that leads nowhere but to the copy. It
    leaves no row in the journal: whether an earlier rehearsal still counts depends on what runs by then.
    Running it twice is safe: what a killed try left under the same name is removed first.

    Args:
        run: The promotion.
        host: The host the release's bundle is staged on.
        backup: The dump.
        release: The release that brings the migration.
        manifest: That release, as the host knows it.
        previous: The release that runs now, None where nothing does.
        name: What tells this rehearsal from others on the host.

    Returns:
        What was proven. A migration that fails is such a result.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The copy cannot be made, or the release cannot be kept apart from the live one.
    """
    began = time.monotonic()
    stage = _Stage.of(run, host, name)
    stage.clear()
    with ThreadPoolExecutor(3) as beside:
        new = beside.submit(copy_context().run, stage.describe, manifest)
        old = beside.submit(copy_context().run, _attempt, stage.describe, previous) if previous else None
        with open_copy(run, name=name, backup=backup, host=host) as copy, stage.cleared():
            drilling = beside.submit(copy_context().run, drill_copy, run, copy, backup)
            ready = stage.set_aside(copy, new.result(), "new")
            earlier = _earlier(stage, copy, previous, old.result()) if previous and old else None
            receipt = _play(stage, copy, drilling.result(), ready, earlier)
    _tell(receipt)
    return receipt.model_copy(update={"release_id": release.id, "seconds": time.monotonic() - began})


def _attempt(describing: Callable[[Manifest], Described], manifest: Manifest) -> Described | TerminalError:
    """Describe the earlier release; that it cannot be tried is a finding, not the end."""
    try:
        return describing(manifest)
    except TerminalError as error:
        return error


def _earlier(
    stage: _Stage, copy: Copy, previous: Manifest, found: Described | TerminalError
) -> Aside | HealthProof:
    """Make the earlier release ready, or say why it cannot be tried."""
    try:
        if isinstance(found, TerminalError):
            raise found
        return stage.set_aside(copy, found, "old")
    except TerminalError as error:
        return HealthProof(release_id=previous.release.id, passed=None, reason=one_line(error.what))


def _play(
    stage: _Stage, copy: Copy, drill: DrillReceipt, new: Aside, earlier: Aside | HealthProof | None
) -> RehearsalReceipt:
    """Migrate the copy, and start both releases on it."""
    before = _read_state(stage.run, copy)
    with _watched(stage.run, copy) as seen:
        outcome, proof = _migrate(stage, copy, drill, new)
    after = _read_state(stage.run, copy)
    if outcome.ok and proof is None:
        proof = prove(stage.run, stage.host, new, seconds=new.patience_seconds)
    return RehearsalReceipt(
        host=stage.host,
        release_id=new.release_id,
        running_release_id=earlier.release_id if earlier else None,
        revision_before=locks.parse_revision(before),
        revision_after=locks.parse_revision(after),
        migrated=outcome.ok,
        reason=outcome.reason,
        migrate_seconds=outcome.seconds,
        locks=seen(),
        rewritten=locks.rewritten(before, after),
        new=proof,
        old=_prove_earlier(stage, earlier, proof) if outcome.ok else None,
        drill=drill,
        seconds=0.0,
        rehearsed_at=utc_now(),
    )


def _migrate(
    stage: _Stage, copy: Copy, drill: DrillReceipt, new: Aside
) -> tuple[Outcome, HealthProof | None]:
    """Bring the copy to the new release's schema; where that release does it when it starts, by starting it."""
    run, migration = stage.run, stage.run.description.migration
    if not drill.passed:
        return Outcome(ok=False, reason=f"the dump is not proven: {drill.differences[0]}", seconds=0.0), None
    if migration is not None and migration.command:
        words = migration.command
        return run_aside(run, copy, new.project, migration, words, container=f"{stage.mark}-migrate"), None
    proof = prove(run, stage.host, new, seconds=new.patience_seconds)
    return Outcome(ok=proof.passed is not False, reason=proof.reason, seconds=proof.seconds), proof


def run_aside(
    run: Run,
    copy: Copy,
    project: ComposeProject,
    migration: Migration,
    words: tuple[str, ...],
    *,
    container: str,
) -> Outcome:
    """Run a migration command on a copy of the database.

    Args:
        run: The promotion.
        copy: The copy.
        project: The release's compose project, taken out of the live application.
        migration: The release's migration.
        words: The command.
        container: The one-off container's name.

    Returns:
        How it ended; a command that fails, or takes too long, is such an end.
    """
    argv = project.run_once(
        migration.service, words, name=container, no_deps=True, env=pg_options(run.policy.database)
    )
    began = time.monotonic()
    try:
        call = Call(argv=argv, limits=Limits(migration.timeout, migration.timeout))
        result = run.hosts[copy.host].run(call, on_line=log().info)
    except TerminalError as error:
        return Outcome(ok=False, reason=one_line(error.what), seconds=time.monotonic() - began)
    reason = "" if result.ok else one_line(result.reason()) or f"it ended with status {result.exit_code}"
    return Outcome(ok=result.ok, reason=reason, seconds=result.seconds)


def _prove_earlier(
    stage: _Stage, earlier: Aside | HealthProof | None, new: HealthProof | None
) -> HealthProof | None:
    """See whether the running release runs on the migrated copy."""
    if earlier is None or isinstance(earlier, HealthProof):
        return earlier
    seconds = earlier.patience_seconds
    if new is not None and new.passed:
        seconds = min(seconds, max(_OLD_LEAST_SECONDS, _OLD_FACTOR * new.seconds))
    return prove(stage.run, stage.host, earlier, seconds=seconds)


@contextmanager
def _watched(run: Run, copy: Copy) -> Iterator[Callable[[], tuple[LockFact, ...]]]:
    """Watch a copy's locks while something is done to it.

    Yields:
        What returns the locks, once that is done.
    """
    seconds = 2 * _longest(run)
    argv = locks.watch(query_copy(copy.container, copy.user, copy.database))
    call = Call(argv=argv, stdin=locks.WATCH.encode(), limits=Limits(seconds, seconds))
    with ThreadPoolExecutor(1) as beside:
        watching = beside.submit(copy_context().run, run.hosts[copy.host].run, call)
        try:
            yield lambda: locks.parse_locks(watching.result().stdout)
        finally:
            ask_copy(run, copy, locks.STOP_WATCH)


def _longest(run: Run) -> float:
    migration = run.description.migration
    return (migration.timeout if migration else 0.0) + run.policy.timeouts.up + 60


def _read_state(run: Run, copy: Copy) -> str:
    """Read what a migration may change beside the data."""
    return "\n".join("\t".join(row) for row in ask_copy(run, copy, locks.STATE))


def _services(run: Run) -> tuple[str, ...]:
    """Return the services that are tried: those the policy names, else the one that migrates."""
    migration = run.description.migration
    return run.policy.database.services or ((migration.service,) if migration else ())


def _tell(receipt: RehearsalReceipt) -> None:
    log().info(
        "%s: rehearsed %s → %s in %.1f s: %s",
        receipt.host,
        receipt.revision_before or "none",
        receipt.revision_after or "none",
        receipt.migrate_seconds,
        "the running release still works" if receipt.proves_return else receipt.reason or "see the receipt",
    )


def downgrade_on_copy(run: Run, *, copy: Copy, manifest: Manifest, to_revision: str, name: str) -> Outcome:
    """Take a copy of the database back to an earlier revision, by the release that has the newer migrations.

    Args:
        run: The promotion; its description is that release's.
        copy: The copy.
        manifest: That release, as the host of the copy knows it.
        to_revision: The revision to go to; `base` for none.
        name: What tells this trial from others on the host.

    Returns:
        How it ended; a command that fails, or takes too long, is such an end.

    Raises:
        TerminalError: The release has no way back, or cannot be kept apart from the live application.
    """
    migration = run.description.migration
    words = downgrade_words(migration, to_revision) if migration else None
    if migration is None or words is None:
        raise TerminalError(
            f"{manifest.release.id} has no command that takes the database back",
            "set migration.downgrade in pipeline.yaml",
        )
    stage = _Stage.of(run, copy.host, name)
    stage.clear()
    with stage.cleared():
        described = describe(run, host=copy.host, manifest=manifest, wanted=(), beside=(migration.service,))
        aside = stage.set_aside(copy, described, "back")
        return run_aside(run, copy, aside.project, migration, words, container=f"{stage.mark}-downgrade")
