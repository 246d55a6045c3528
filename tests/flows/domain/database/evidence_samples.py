"""Proofs as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from blocks.values.evidence import DrillReceipt, HealthProof, LockFact, RehearsalReceipt
from blocks.values.schema_changes import MigrationVerdict, Risk, SchemaFinding

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def drill(**changes: Any) -> DrillReceipt:
    values: dict[str, Any] = {
        "host": "prod",
        "backup_path": "/srv/backups/one.dump",
        "backup_sha256": "ab" * 32,
        "tables": 3,
        "rows": 1200,
        "revision": "0002",
        "restore_seconds": 1.5,
        "seconds": 3.0,
        "drilled_at": AT,
    }
    return DrillReceipt(**{**values, **changes})


def health(passed: bool | None = True, reason: str = "", release: str = "release-1") -> HealthProof:
    return HealthProof(release_id=release, services=("backend",), passed=passed, reason=reason, seconds=2.0)


def rehearsal(**changes: Any) -> RehearsalReceipt:
    values: dict[str, Any] = {
        "host": "prod",
        "release_id": "release-2",
        "running_release_id": "release-1",
        "revision_before": "0002",
        "revision_after": "0003",
        "migrated": True,
        "migrate_seconds": 0.8,
        "locks": (LockFact(table="public.orders", mode="AccessExclusiveLock", seconds=0.3),),
        "rewritten": ("public.orders",),
        "new": health(release="release-2"),
        "old": health(),
        "drill": drill(),
        "seconds": 9.0,
        "rehearsed_at": AT,
    }
    return RehearsalReceipt(**{**values, **changes})


def verdict(risk: Risk, revision: str = "0003") -> MigrationVerdict:
    finding = SchemaFinding(
        risk=risk,
        statement="ALTER TABLE orders DROP COLUMN note",
        reason="the running release may read it",
        safer="stop using it first, drop it a release later",
        table="orders",
    )
    return MigrationVerdict(
        revision=revision,
        message="No notes",
        risk=risk,
        findings=() if risk is Risk.ADDITIVE else (finding,),
        sql="ALTER TABLE orders DROP COLUMN note;",
    )
