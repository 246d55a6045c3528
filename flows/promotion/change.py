"""The change itself: from the lease to the record, and back when it fails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from flows.core.attempt import attempt
from flows.domain.promotion.plan import must_migrate
from flows.domain.words.names import backup_name, one_off_name
from flows.promotion.bundle import Bundle, make_manifest
from flows.promotion.fallback import PromotionFallback, end
from flows.promotion.offsite_copies import begin_copies
from flows.promotion.preflights import begin_preflights, raise_first
from flows.promotion.release_data import refuse_left, refuse_written, release_with_data
from flows.watch.start import begin_reading, end_reading
from tasks.database.backup import back_up
from tasks.database.drill import drill
from tasks.database.migrate import migrate
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError
from tasks.services.preflight import check_compose
from tasks.services.prepare import pull, stage
from tasks.services.smoke import smoke
from tasks.services.up import up
from tasks.steps.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from prefect.futures import PrefectFuture

    from blocks.values.facts import HostFacts
    from blocks.values.lifecycle import Status
    from blocks.values.manifests import Manifest
    from blocks.values.plans import Plan
    from blocks.values.receipts import BackupReceipt, StepReceipt
    from blocks.values.releases import Release
    from flows.promotion.prepare import Prepared


@dataclass(frozen=True)
class Change:
    """What is to be changed, all of it known before anything is touched.

    Attributes:
        bundle: The bundle to put in place; None where the hosts have it (a rollback).
        drills: True when the dump is restored into a copy and compared first.
        checkout: The release's commit on the control machine, for smoke commands; None without one.
        pulled: That the images were brought to the first host a moment ago, under the lease of this change, which
            checks and pulls there no more; None otherwise. The bundle is put in place again: its manifest did not have
            the migrations yet, which the new image was still being asked for.
        dump: The dump that was taken then; None where none was, or it has grown old.
    """

    release: Release
    manifests: Mapping[str, Manifest]
    bundle: Bundle | None
    hosts: Mapping[str, HostFacts]
    backup: bool = False
    migrates: bool = False
    checkout: Path | None = None
    drills: bool = False
    pulled: StepReceipt | None = None
    dump: BackupReceipt | None = None


def change_of(prepared: Prepared, plan: Plan, bundle: Bundle) -> Change:
    """Put together what is to be changed by a plan that was approved."""
    run, release = prepared.run, prepared.release
    migration, rules = run.description.migration, run.policy.database
    migrates = (
        migration is not None
        and not migration.at_boot
        and must_migrate(plan, release.revisions, only_upgrades=migration.only_upgrades)
    )
    at_boot = migration is not None and migration.at_boot
    return Change(
        release=release,
        manifests=manifests_of(run, release, bundle, prepared.hosts),
        bundle=bundle,
        hosts=prepared.hosts,
        backup=plan.backup,
        migrates=migrates,
        checkout=prepared.sources.source,
        drills=(rules.drill or rules.rehearse) and (migrates or at_boot),
    )


def manifests_of(
    run: Run, release: Release, bundle: Bundle, hosts: Mapping[str, HostFacts]
) -> dict[str, Manifest]:
    """Return what each host shall remember of a release."""
    return {name: make_manifest(run, release, bundle, facts) for name, facts in hosts.items()}


def carry_out(run: Run, change: Change) -> Status:
    """Carry a change out; when it fails after the switch began, start the release before it again.

    Returns:
        `SUCCEEDED`, or what the failure left: the ledger has the same status and a line why.
    """
    return end(run, attempt(partial(_forward, run, change), fallback_of(run, change)))


def fallback_of(run: Run, change: Change) -> PromotionFallback:
    """Return what a promotion falls back on."""
    return PromotionFallback(run, change.hosts, change.manifests)


def _forward(run: Run, change: Change) -> str:
    refuse_left(run.policy, change.hosts, change.manifests)
    if change.bundle is None:
        # The hosts have it since it ran, images too as a rule: nothing is new, so nothing waits for a check.
        raise_first([*begin_checks(run, change), *_compose_checks(run, change), *begin_pulls(run, change)])
    else:
        _pull_and_back_up(run, change, _prepare_hosts(run, change, change.bundle))
    if change.migrates:
        migrate(
            run,
            host=run.primary,
            manifest=change.manifests[run.primary],
            container=one_off_name(run.pipeline, "migrate", str(run.promotion_id)),
            known=change.hosts[run.primary] if change.pulled else None,
        )
    switch(run, change)
    return f"{change.release.id} runs in {run.environment}; its smoke checks passed"


def switch(run: Run, change: Change) -> None:
    """Start the release on every host, one after the other, then smoke each."""
    if not run.journal.begun("up"):
        refuse_written(run, change.hosts, change.manifests)
    for name, manifest in change.manifests.items():
        up(run, host=name, manifest=manifest, left=release_with_data(change.hosts[name]))
    for name in change.manifests:
        smoke(run, host=name, release=change.release, checkout=change.checkout)


def _unprepared(run: Run, change: Change) -> tuple[str, ...]:
    return tuple(name for name in change.hosts if not (change.pulled and name == run.primary))


def _prepare_hosts(run: Run, change: Change, bundle: Bundle) -> list[PrefectFuture[StepReceipt]]:
    """Check every host, and put the bundle beside the ones before it.

    Returns:
        What goes on where the one host there is has its images already: only the switch has to wait for it.
    """
    raise_first(begin_checks(run, change))
    staging = [
        stage.submit(run, host=name, manifest=manifest, files=bundle.files_for(manifest.env_file))
        for name, manifest in change.manifests.items()
    ]
    if not _unprepared(run, change):
        return staging
    raise_first(staging)
    raise_first(_compose_checks(run, change))
    return []


def begin_checks(run: Run, change: Change) -> list[PrefectFuture[StepReceipt]]:
    """Begin to see whether every host can carry a change, with room for its files; `raise_first` waits for it."""
    ports = change.bundle.ports if change.bundle else frozenset[int]()
    # While it is unpacked, a host has the archive and the files.
    size = 2 * change.bundle.archive.size if change.bundle else 0
    names = _unprepared(run, change)
    return begin_preflights(run, change.hosts, names, ports=ports, backup=change.backup, bundle=size)


def _compose_checks(run: Run, change: Change) -> list[PrefectFuture[StepReceipt]]:
    return [
        check_compose.submit(run, host=name, manifest=change.manifests[name], kept=change.bundle is None)
        for name in _unprepared(run, change)
    ]


def begin_pulls(run: Run, change: Change) -> list[PrefectFuture[StepReceipt]]:
    """Begin to bring the release's images to every host."""
    return [
        pull.submit(run, host=name, manifest=manifest, known=change.pulled if name == run.primary else None)
        for name, manifest in change.manifests.items()
    ]


def _pull_and_back_up(run: Run, change: Change, staging: Sequence[PrefectFuture[StepReceipt]]) -> None:
    """Pull on every host; beside it dump the database, and read the logs that the switch will take away."""
    pulling = begin_pulls(run, change)
    reading = begin_reading(run)
    dumping: list[PrefectFuture[BackupReceipt]] = []
    if change.backup:
        name = dump_name(run, change.release.id)
        dumping.append(back_up.submit(run, host=run.primary, name=name, known=change.dump))
    futures: list[PrefectFuture[Any]] = [*staging, *pulling, *reading, *dumping]
    raise_first(futures)
    end_reading(run, reading)
    for backup in (future.result() for future in dumping):
        if not backup.counts:
            # Its step ended before tables were counted.
            raise TerminalError(
                f"backup: {backup.path} on {backup.host} was taken before Sluice was upgraded, and may have no table",
                "nothing was changed by this try; promote again, which takes a new dump",
            )
        record_dump(run, backup)
        begin_copies(run, backup)
        if change.drills:
            _drill(run, backup)


def dump_name(run: Run, release_id: str) -> str:
    """Return the file name of the dump a promotion takes: the same each time, so that another try finds it."""
    row = run.ledger.promotions.get(run.promotion_id)
    return backup_name(run.environment, release_id, row.created_at if row else utc_now())


def record_dump(run: Run, backup: BackupReceipt) -> None:
    """Write a dump into the ledger; running it twice is safe."""
    known = {record.receipt.path for record in run.ledger.backups.of(run.pipeline, run.environment)}
    if backup.path not in known:
        run.ledger.backups.add(
            promotion_id=run.promotion_id,
            pipeline=run.pipeline,
            environment=run.environment,
            receipt=backup,
            now=utc_now(),
        )


def _drill(run: Run, backup: BackupReceipt) -> None:
    """Prove the dump before the migration: one that does not restore is none."""
    receipt = drill(run, host=run.primary, backup=backup)
    known = {record.receipt.drilled_at for record in run.ledger.drills.of(run.pipeline, run.environment)}
    if receipt.drilled_at not in known:
        run.ledger.drills.add(
            promotion_id=run.promotion_id,
            pipeline=run.pipeline,
            environment=run.environment,
            receipt=receipt,
            now=utc_now(),
        )
    if not receipt.passed:
        raise TerminalError(
            f"drill: the dump {backup.path} on {backup.host} does not restore to what was dumped: "
            f"{'; '.join(receipt.differences[:3])}",
            "nothing was changed; check the database and the disk, then promote again",
        )
