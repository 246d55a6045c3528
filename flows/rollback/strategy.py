"""Where a rollback goes, and how: the release, and what becomes of the database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Kind, Status
from blocks.values.rollback import DowngradeTrial, RollbackStrategy, StrategyKind
from flows.domain.rollback.choice import choose_target
from flows.domain.rollback.evidence import most_rows
from flows.domain.rollback.strategy import decide_strategy
from flows.domain.words.names import one_off_name
from flows.rollback.evidence import evidence_of, past_promotions
from tasks.database.copies import BrokenDumpError, ask_copy, open_copy
from tasks.database.downgrade import try_downgrade
from tasks.database.live import ask_live, database_engine
from tasks.database.loss import compare, loss_from_copy, loss_from_counters
from tasks.kernel.errors import RefusedError, SluiceError, TerminalError
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.evidence import LossReport
    from blocks.values.facts import HostFacts
    from blocks.values.manifests import Manifest
    from blocks.values.receipts import BackupReceipt
    from blocks.values.releases import Release
    from flows.domain.rollback.evidence import RollbackEvidence
    from tasks.steps.run import Run


@dataclass(frozen=True)
class RollbackOptions:
    """What a person asked for beyond a plain rollback.

    Attributes:
        restore: True where a restore may be asked for, should nothing else help.
        undo: True to take the last restore back.
        insist: True where the person answers for migrations nobody judged.
        leaving: The release that shall be left; empty for whatever runs.
    """

    release: str = ""
    restore: bool = False
    undo: bool = False
    insist: bool = False
    leaving: str = ""


def choose_release(run: Run, options: RollbackOptions, hosts: Mapping[str, HostFacts]) -> Release:
    """Choose the release to go back to."""
    running = hosts[run.primary].manifest
    if options.leaving and (running is None or running.release.id != options.leaving):
        raise RefusedError(
            f"rollback of {run.environment}: {options.leaving} does not run there any more",
            "nothing was touched",
        )
    if options.undo:
        return _left_by_restore(run, running.release.id if running else None)
    decision = choose_target(
        options.release,
        past_promotions(run),
        environment=run.environment,
        running_release_id=running.release.id if running else None,
        held={hold.release_id for hold in run.ledger.holds.active(run.pipeline, run.environment)},
    )
    if decision.release_id is None:
        raise RefusedError(f"rollback of {run.environment}: {decision.refused_reason}", "nothing was touched")
    return release_of(run, decision.release_id)


def _left_by_restore(run: Run, running: str | None) -> Release:
    """Return the release that was left by the restore that made what runs now."""
    for row in run.ledger.promotions.history(run.pipeline, run.environment, limit=100):
        if row.status is not Status.SUCCEEDED:
            continue
        strategy = row.plan.going_back if row.plan else None
        restored = row.kind is Kind.ROLLBACK and strategy is not None and strategy.way is StrategyKind.RESTORE
        if restored and row.release_id == running and row.previous_release_id:
            return release_of(run, row.previous_release_id)
        break
    raise RefusedError(
        f"rollback of {run.environment}: the last change was no restore, so there is none to undo",
        f"`sluice history {run.environment}` lists what was done",
    )


def release_of(run: Run, release_id: str) -> Release:
    """Return a release of the ledger."""
    found = run.ledger.releases.get(release_id)
    if found is None:
        raise TerminalError(f"release {release_id} is not in the ledger", "name another one")
    return found


def kept_manifests(run: Run, target: Release) -> dict[str, Manifest]:
    """Read the release's manifest on every host: its bundle must still be there."""
    found: dict[str, Manifest] = {}
    for name in run.hosts:
        manifest = run.target(name).read_manifest(target.id)
        if manifest is None:
            raise RefusedError(
                f"{name} no longer keeps the bundle of {target.id}",
                f"promote it: `prefect deployment run promote/{run.environment} --param ref={target.commit.sha}`",
            )
        found[name] = manifest
    return found


def choose_strategy(
    run: Run,
    target: Release,
    hosts: Mapping[str, HostFacts],
    options: RollbackOptions,
    *,
    costs: bool = False,
) -> RollbackStrategy:
    """Decide how to go back; where that depends on it, try the down-migrations on a copy of now.

    Args:
        costs: True to find out what a restore would lose also where it was not asked for.
    """
    evidence = evidence_of(
        run,
        target,
        hosts,
        restore=options.restore or options.undo,
        insist=options.insist,
        named=bool(options.release.strip()),
    )
    strategy = decide_strategy(evidence)
    left = hosts[run.primary].manifest
    if strategy.way is StrategyKind.DOWNGRADE and strategy.to_revision is not None and left is not None:
        log().info("%s; trying it", strategy.reason)
        evidence = replace(evidence, trial=_try(run, left, strategy.to_revision))
        strategy = decide_strategy(evidence)
    asked = strategy.way is StrategyKind.RESTORE or (costs and strategy.way is StrategyKind.FORBIDDEN)
    return _with_loss(run, evidence, strategy) if asked and strategy.backup_path else strategy


def _try(run: Run, left: Manifest, revision: str) -> DowngradeTrial:
    """Try the down-migrations; that they cannot be tried is a reason against them, not the end."""
    name = one_off_name(run.pipeline, "back", f"{run.environment}-{run.promotion_id}")
    try:
        return try_downgrade(run, host=run.primary, manifest=left, to_revision=revision, name=name)
    except SluiceError as error:
        log().warning("%s", error)
        return DowngradeTrial(to_revision=revision, passed=False, reason=error.what)


def _with_loss(run: Run, evidence: RollbackEvidence, strategy: RollbackStrategy) -> RollbackStrategy:
    backup = evidence.backup
    if backup is None:
        return strategy
    loss = loss_of(run, backup)
    return strategy.model_copy(update={"loss": loss, "most_rows": most_rows(loss.rows)})


def loss_of(run: Run, backup: BackupReceipt) -> LossReport:
    """Find out what is lost when a dump takes the live database's place.

    Returns:
        The rows inserted, updated and deleted since, from a restored copy; from the server's counters where no copy
        can be made.

    Raises:
        BrokenDumpError: The dump is not what was written.
    """
    name = one_off_name(run.pipeline, "loss", f"{run.environment}-{run.promotion_id}")
    try:
        with open_copy(run, name=name, backup=backup, host=run.primary) as copy:
            if copy.restore_errors:
                raise BrokenDumpError(
                    f"the dump {backup.path} does not restore: {copy.restore_errors[0]}",
                    "go back to another one",
                )
            found = compare(
                database_engine(run).comparison,
                partial(ask_copy, run, copy),
                partial(ask_live, run),
            )
        return loss_from_copy(found, backup_path=backup.path, taken_at=backup.taken_at)
    except BrokenDumpError:
        raise
    except TerminalError as error:
        if not backup.counters:
            raise
        log().warning("%s", error)
        return _counted(run, backup, f"no copy was compared: {error.what}")


def _counted(run: Run, backup: BackupReceipt, why: str) -> LossReport:
    now = database_engine(run).dumps.DUMP_FACTS.put(partial(ask_live, run))
    return loss_from_counters(
        backup.counters, now.counters, backup_path=backup.path, taken_at=backup.taken_at, why=why
    )
