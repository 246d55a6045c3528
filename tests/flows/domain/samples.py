"""Values the tests of decisions start from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from blocks.values.manifests import Manifest
from blocks.values.plans import KeyChange, Plan
from blocks.values.releases import Commit, Image, Release, Revision

NOW = datetime(2026, 11, 21, 5, 33, 0, tzinfo=UTC)
SHA = "1f3c2ab" + "0" * 33
HOSTILE = "x`|<img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}\n# [a](http://evil) **b** \u202egnp.exe"


def commit(sha: str = SHA, **changes: Any) -> Commit:
    values = {
        "sha": sha,
        "subject": "Take orders",
        "author_name": "Ada",
        "author_email": "ada@example.com",
        "committed_at": NOW,
    }
    return Commit(**(values | changes))


def image(target: str = "backend", digest: str = "a") -> Image:
    return Image(
        target=target,
        repository=f"registry:5000/shop/{target}",
        digest=f"sha256:{digest * 64}",
        services=(target, f"{target}-worker"),
    )


def revisions(*ids: str) -> tuple[Revision, ...]:
    """Make a straight line of migrations."""
    return tuple(
        Revision(id=one, down=(ids[index - 1],) if index else (), message=f"step {one}")
        for index, one in enumerate(ids)
    )


def release(**changes: Any) -> Release:
    values: dict[str, Any] = {
        "id": "20261121053300-1f3c2ab00000",
        "pipeline": "shop",
        "commit": commit(),
        "images": (image(), image("frontend", "b")),
        "third_party": {"db": "postgres:17"},
        "revisions": revisions("a1", "b2"),
        "bundle_checksum": "t" * 40,
        "created_at": NOW,
    }
    return Release(**(values | changes))


def manifest(number: int = 1, **changes: Any) -> Manifest:
    """Return what a promotion of that number left beside its bundle."""
    values: dict[str, Any] = {
        "release": release(),
        "environment": "prod",
        "promotion_id": number,
        "previous_release_id": None,
        "compose_files": ("compose.yaml",),
        "staged_at": NOW,
    }
    return Manifest(**(values | changes))


def plan(**changes: Any) -> Plan:
    one = release()
    values: dict[str, Any] = {
        "pipeline": "shop",
        "environment": "prod",
        "release_id": one.id,
        "running_release_id": "20261101000000-aaaaaaaaaaaa",
        "commit": one.commit,
        "commits": (one.commit,),
        "images": one.images,
        "images_changed": ("backend",),
        "compose_diff": "--- a/compose.yaml\n+++ b/compose.yaml\n@@ -1 +1 @@\n-a\n+b",
        "key_changes": KeyChange(added=("STRIPE_KEY",)),
        "revision": "a1",
        "pending": revisions("b2"),
        "backup": True,
        "approvals_required": 2,
        "approvers": ("ada", "ben", "cleo"),
        "policy_checksum": "c" * 64,
        "expected_seconds": 75.0,
        "database_bytes": 102_000_000,
    }
    return Plan(**(values | changes))
