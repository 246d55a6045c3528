"""Rows of a real ledger, put there by the ledger's own functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import Plan
from blocks.values.releases import Commit, Image, Release
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PIPELINE = "shop"


def release(number: int, *, subject: str = "", pipeline: str = PIPELINE) -> Release:
    """Return the release of a made-up commit."""
    commit = Commit(
        sha=f"{number:040x}",
        subject=subject or f"Change number {number}",
        author_name="Ada",
        author_email="ada@example.org",
        committed_at=T0,
    )
    image = Image(
        target="backend",
        repository=f"registry.example:5000/{pipeline}/backend",
        digest=f"sha256:{number:064x}",
        services=("backend",),
    )
    return Release(
        id=f"20261120090000-{number:012x}",
        pipeline=pipeline,
        commit=commit,
        images=(image,),
        bundle_checksum="0" * 40,
        created_at=T0,
    )


def plan(of: Release, environment: str, *, required: int = 0, approvers: tuple[str, ...] = ()) -> Plan:
    """Return a plan for a release."""
    return Plan(
        pipeline=of.pipeline,
        environment=environment,
        release_id=of.id,
        running_release_id=None,
        commit=of.commit,
        images=of.images,
        approvals_required=required,
        approvers=approvers,
    )


def opened(
    ledger: Ledger,
    of: Release,
    environment: str,
    *,
    kind: Kind = Kind.PROMOTE,
    run: str | None = None,
    by: str = "ada",
    required: int = 0,
    approvers: tuple[str, ...] = (),
    at: datetime = T0,
) -> PromotionRecord:
    """Open a promotion with its release and plan."""
    ledger.releases.record(of)
    row = ledger.promotions.open(
        pipeline=of.pipeline,
        environment=environment,
        kind=kind,
        ref="main",
        flow_run_id=run,
        requested_by=by,
        cause="",
        now=at,
    )
    ledger.promotions.set_release(row.id, of.id, at)
    wanted = plan(of, environment, required=required, approvers=approvers)
    return ledger.promotions.set_plan(row.id, plan=wanted, previous_release_id=None, now=at)


def moved(
    ledger: Ledger, row: PromotionRecord, *statuses: Status, message: str = "", at: datetime = T0
) -> PromotionRecord:
    """Move a promotion through some statuses, a minute apart."""
    for number, status in enumerate(statuses, start=1):
        row = ledger.promotions.move(row.id, status, now=at + timedelta(minutes=number), message=message)
    return row


def succeeded(
    ledger: Ledger,
    of: Release,
    environment: str,
    *,
    kind: Kind = Kind.PROMOTE,
    by: str = "ada",
    at: datetime = T0,
) -> PromotionRecord:
    """Record a promotion that went well."""
    row = opened(ledger, of, environment, kind=kind, by=by, at=at)
    return moved(
        ledger, row, Status.APPROVED, Status.RUNNING, Status.SUCCEEDED, message="runs, smoked", at=at
    )


def answered(
    ledger: Ledger, row: PromotionRecord, approver: str, *, decision: str = "approve", counted: bool = True
) -> None:
    """Record an answer to a promotion's plan."""
    ledger.approvals.add(
        promotion_id=row.id,
        plan_hash=row.plan_hash or "",
        approver=approver,
        decision="approve" if decision == "approve" else "reject",
        counted=counted,
        refusal="" if counted else "the one-time code is wrong",
        reason="",
        code_step=None,
        now=T0,
    )
