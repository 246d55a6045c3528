"""The pending migration, run on a copy of the database before anybody is asked; and both releases on the result."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

from blocks.values.evidence import HealthProof, RehearsalReceipt
from tasks.database.commands.locks import rewritten
from tasks.database.copies import open_copy
from tasks.database.drill import drill_copy
from tasks.database.isolated_release import describe
from tasks.database.prove import prove
from tasks.database.trial import Trial, TrialOutcome, ask_aside, read_state, run_aside, watched
from tasks.host.alembic import downgrade_words
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError
from tasks.kernel.redact import reason_line
from tasks.steps.run import Run
from tasks.steps.step import fact, log

if TYPE_CHECKING:
    from blocks.values.evidence import DrillReceipt
    from blocks.values.manifests import Manifest
    from blocks.values.receipts import BackupReceipt
    from blocks.values.releases import Release
    from tasks.database.copies import Copy
    from tasks.database.isolated_release import Aside, IsolatedServices

# How long the earlier release may take to become healthy, as a multiple of what the new one took, and at least.
# Its own health check may allow minutes; a release that starts in two seconds does not need them.
_OLD_FACTOR, _OLD_LEAST_SECONDS = 4.0, 20.0


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
    asks: bool = False,
) -> RehearsalReceipt:
    """Restore the dump, run the pending migration there, and start the new and the running release on the result.

    Nothing live is touched: all runs in containers of its own, on a network that leads nowhere but to the copy. It
    leaves no row in the journal: whether an earlier rehearsal still counts depends on what runs by then.
    Running it twice is safe: what a killed try left under the same name is removed first.

    Args:
        asks: True to ask a tool other than Alembic there which migrations are pending, before they are run.

    Returns:
        What was proven. A migration that fails is such a result.
    """
    began = time.monotonic()
    trial = Trial.of(run, host, name)
    trial.clear()
    with ThreadPoolExecutor(3) as beside:
        new = beside.submit(copy_context().run, _describe, run, host, manifest)
        old = beside.submit(copy_context().run, _attempt, run, host, previous) if previous else None
        with open_copy(run, name=name, backup=backup, host=host) as copy, trial.cleared():
            drilling = beside.submit(copy_context().run, drill_copy, run, copy, backup)
            ready = trial.set_aside(copy, new.result(), "new")
            earlier = _earlier(trial, copy, previous, old.result()) if previous and old else None
            receipt = _play(trial, copy, drilling.result(), ready, earlier, asks=asks)
    _tell(receipt)
    return receipt.model_copy(update={"release_id": release.id, "seconds": time.monotonic() - began})


def _describe(run: Run, host: str, manifest: Manifest) -> IsolatedServices:
    migration = run.description.migration
    beside = (migration.service,) if migration else ()
    return describe(run, host=host, manifest=manifest, wanted=_services(run), beside=beside)


def _attempt(run: Run, host: str, manifest: Manifest) -> IsolatedServices | TerminalError:
    """Describe the earlier release; that it cannot be tried is a finding, not the end."""
    try:
        return _describe(run, host, manifest)
    except TerminalError as error:
        return error


def _earlier(
    trial: Trial, copy: Copy, previous: Manifest, found: IsolatedServices | TerminalError
) -> Aside | HealthProof:
    """Make the earlier release ready, or say why it cannot be tried."""
    try:
        if isinstance(found, TerminalError):
            raise found
        return trial.set_aside(copy, found, "old")
    except TerminalError as error:
        return HealthProof(release_id=previous.release.id, passed=None, reason=reason_line(error.what))


def _play(
    trial: Trial,
    copy: Copy,
    drill: DrillReceipt,
    new: Aside,
    earlier: Aside | HealthProof | None,
    *,
    asks: bool,
) -> RehearsalReceipt:
    nothing = RehearsalReceipt(
        host=trial.host,
        release_id=new.release_id,
        running_release_id=earlier.release_id if earlier else None,
        revision_before=drill.revision,
        revision_after=drill.revision,
        migrated=False,
        migrate_seconds=0.0,
        drill=drill,
        seconds=0.0,
        rehearsed_at=utc_now(),
    )
    if not drill.passed:
        reason = reason_line(f"the dump is not proven: {drill.differences[0]}")
        return nothing.model_copy(update={"reason": reason})
    asked = ask_aside(trial, copy, new) if asks else None
    before = read_state(trial.run, copy)
    with watched(trial.run, copy) as seen:
        outcome, proof = _migrate(trial, copy, new)
    after = read_state(trial.run, copy)
    if outcome.ok and proof is None:
        proof = prove(trial.run, trial.host, new, seconds=new.patience_seconds)
    found = {
        "asked": asked,
        "revision_before": before.revision,
        "revision_after": after.revision,
        "migrated": outcome.ok,
        "reason": outcome.reason,
        "migrate_seconds": outcome.seconds,
        "locks": seen(),
        "rewritten": rewritten(before.files, after.files),
        "new": proof,
        "old": _prove_earlier(trial, earlier, proof) if outcome.ok else None,
    }
    return nothing.model_copy(update=found)


def _migrate(trial: Trial, copy: Copy, new: Aside) -> tuple[TrialOutcome, HealthProof | None]:
    """Bring the copy to the new release's schema; where that release does it when it starts, by starting it."""
    run, migration = trial.run, trial.run.description.migration
    if migration is not None and migration.command:
        words = migration.command
        return run_aside(run, copy, new.project, migration, words, container=f"{trial.mark}-migrate"), None
    proof = prove(run, trial.host, new, seconds=new.patience_seconds)
    failed = proof.passed is False
    return TrialOutcome(ok=not failed, reason=proof.reason if failed else "", seconds=proof.seconds), proof


def _prove_earlier(
    trial: Trial, earlier: Aside | HealthProof | None, new: HealthProof | None
) -> HealthProof | None:
    if earlier is None or isinstance(earlier, HealthProof):
        return earlier
    seconds = earlier.patience_seconds
    if new is not None and new.passed:
        seconds = min(seconds, max(_OLD_LEAST_SECONDS, _OLD_FACTOR * new.seconds))
    return prove(trial.run, trial.host, earlier, seconds=seconds)


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


def downgrade_on_copy(
    run: Run, *, copy: Copy, manifest: Manifest, to_revision: str, name: str
) -> TrialOutcome:
    """Take a copy of the database back to an earlier revision, by the release that has the newer migrations.

    Args:
        run: The promotion; its description is that release's.
        to_revision: The revision to go to; `base` for none.
    """
    migration = run.description.migration
    words = downgrade_words(migration, to_revision) if migration else None
    if migration is None or words is None:
        raise TerminalError(
            f"{manifest.release.id} has no command for its down-migrations",
            "set migration.downgrade in pipeline.yaml",
        )
    trial = Trial.of(run, copy.host, name)
    trial.clear()
    with trial.cleared():
        described = describe(run, host=copy.host, manifest=manifest, wanted=(), beside=(migration.service,))
        aside = trial.set_aside(copy, described, "back")
        return run_aside(run, copy, aside.project, migration, words, container=f"{trial.mark}-downgrade")
