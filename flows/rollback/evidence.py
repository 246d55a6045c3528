"""What the ledger and the hosts know that decides how a rollback treats the database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from blocks.values.lifecycle import ENDED
from flows.core.outcome import GOOD
from flows.domain.rollback.choice import PastPromotion
from flows.domain.rollback.evidence import RollbackEvidence, as_revisions, fitting_backup
from flows.promotion.plan import known_revisions
from tasks.kernel.errors import TerminalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.plans import Plan
    from blocks.values.receipts import BackupReceipt
    from blocks.values.releases import Release, Revision
    from blocks.values.schema_changes import MigrationVerdict
    from tasks.ledger.records import PromotionRecord
    from tasks.steps.run import Run

_MOST_ROWS = 200


def evidence_of(
    run: Run,
    target: Release,
    hosts: Mapping[str, HostFacts],
    *,
    restore: bool = False,
    insist: bool = False,
    named: bool = False,
) -> RollbackEvidence:
    """Put together what is known.

    Returns:
        The evidence. What only matters after a migration is not read where there was none.
    """
    primary = hosts[run.primary]
    running = primary.manifest.release if primary.manifest else None
    migration, approvals = run.description.migration, run.policy.approvals
    base = RollbackEvidence(
        environment=run.environment,
        target_id=target.id,
        target=target.revisions,
        running_id=running.id if running else None,
        running=running.revisions if running else (),
        current=as_revisions(primary.revision) or None,
        known=known_revisions(run),
        migrates=migration is not None,
        can_downgrade=migration is not None and bool(migration.alembic or migration.downgrade),
        downgrades_to_base=migration is not None and migration.alembic is not None,
        quorum=quorum_of(run),
        approvers=len(approvals.approvers) if approvals else 0,
        restore=restore,
        insist=insist,
        named=named,
    )
    if base.nameless:
        base = replace(base, told=told_since(run, target), ran_on=_ran_on(run, target))
    return _with_proofs(run, target, base) if base.ahead or base.pending or base.untold else base


def quorum_of(run: Run) -> int:
    """Return how many must approve a restore: more than a promotion needs, where the policy says so."""
    approvals = run.policy.approvals
    return max(run.policy.database.override_required, approvals.required if approvals else 1)


def _with_proofs(run: Run, target: Release, base: RollbackEvidence) -> RollbackEvidence:

    rehearsals = run.ledger.rehearsals.of(run.pipeline, run.environment, limit=_MOST_ROWS)
    return replace(
        base,
        verdicts=verdicts(run),
        rehearsals=tuple(record.receipt for record in rehearsals),
        backup=fitting_backup(_dumps(run), target.id, target.revisions),
    )


def told_since(run: Run, target: Release) -> tuple[Revision, ...] | None:
    """Return what the promotions since a release ran said they would bring in.

    Returns:
        The migrations; None where the tool does not say, or one of them did not know.
    """
    migration = run.description.migration
    if migration is None or migration.revisions is None:
        return None
    found: dict[str, Revision] = {}
    for row in run.ledger.promotions.history(run.pipeline, run.environment, limit=_MOST_ROWS):
        if row.release_id == target.id and row.status in GOOD:
            return tuple(found.values())
        if any(step.name == "migrate" for step in run.ledger.steps.of(row.id)):
            plan = _plan(row)
            if plan is None or not plan.pending_known:
                return None
            found.update({revision.id: revision for revision in plan.pending})
    return None


def _ran_on(run: Run, target: Release) -> tuple[tuple[str, ...], ...]:
    rows = run.ledger.promotions.history(run.pipeline, run.environment, limit=_MOST_ROWS)
    plans = [plan for plan in map(_plan, rows) if plan is not None and plan.running_release_id == target.id]
    return tuple({as_revisions(plan.revision) for plan in plans if plan.revision})


def verdicts(run: Run) -> dict[str, MigrationVerdict]:
    """Return what each migration was judged to do when it came into this environment, the newest word first."""
    found: dict[str, MigrationVerdict] = {}
    for row in run.ledger.promotions.history(run.pipeline, run.environment, limit=_MOST_ROWS):
        plan = _plan(row)
        for verdict in plan.verdicts if plan else ():
            found.setdefault(verdict.revision, verdict)
    return found


def _plan(row: PromotionRecord) -> Plan | None:
    """Return a promotion's plan; one another version wrote is none."""
    try:
        return row.plan
    except TerminalError:
        return None


def _dumps(run: Run) -> list[tuple[BackupReceipt, str | None]]:
    """Return each dump of the host that keeps the database, newest first, with the release that ran then."""
    dumps: list[tuple[BackupReceipt, str | None]] = []
    for record in run.ledger.backups.of(run.pipeline, run.environment):
        if record.receipt.host == run.primary:
            row = run.ledger.promotions.get(record.promotion_id)
            dumps.append((record.receipt, row.previous_release_id if row else None))
    return dumps


def past_promotions(run: Run) -> tuple[PastPromotion, ...]:
    """Return the ended promotions of the environment whose release is known, newest first."""
    past: list[PastPromotion] = []
    for row in run.ledger.promotions.history(run.pipeline, run.environment, limit=500):
        release = run.ledger.releases.get(row.release_id) if row.release_id else None
        if release is not None and row.status in ENDED and row.ended_at is not None:
            past.append(
                PastPromotion(
                    release_id=release.id,
                    commit=release.commit.sha,
                    status=row.status,
                    ended_at=row.ended_at,
                )
            )
    return tuple(past)
