"""Values the ledger's tests write: short to call, valid by default."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import Plan
from blocks.values.receipts import BackupReceipt, StepReceipt
from blocks.values.releases import Commit, Image, Release, Revision

if TYPE_CHECKING:
    from tasks.ledger.records import PromotionRecord
    from tasks.ledger.store import Ledger

START = datetime(2026, 11, 21, 3, 0, 0, 123456, tzinfo=UTC)
SHOP, PROD = "shop", "prod"
NOBODY = 777777  # the number of no promotion
RECEIPT = StepReceipt(text="done", seconds=1.5)

_TO_RUNNING = (Status.WAITING, Status.APPROVED, Status.RUNNING)
WAYS: dict[Status, tuple[Status, ...]] = {
    Status.PLANNING: (),
    Status.WAITING: (Status.WAITING,),
    Status.APPROVED: (Status.WAITING, Status.APPROVED),
    Status.RUNNING: _TO_RUNNING,
    Status.RESTORING: (*_TO_RUNNING, Status.RESTORING),
    Status.RESTORED: (*_TO_RUNNING, Status.RESTORING, Status.RESTORED),
    Status.SUCCEEDED: (*_TO_RUNNING, Status.SUCCEEDED),
    Status.FAILED: (*_TO_RUNNING, Status.FAILED),
    Status.BROKEN: (*_TO_RUNNING, Status.BROKEN),
    Status.UNCHANGED: (Status.UNCHANGED,),
    Status.REFUSED: (Status.REFUSED,),
    Status.REJECTED: (Status.WAITING, Status.REJECTED),
    Status.EXPIRED: (Status.WAITING, Status.EXPIRED),
    Status.SUPERSEDED: (Status.WAITING, Status.SUPERSEDED),
    Status.ABANDONED: (Status.ABANDONED,),
}


def at(seconds: float) -> datetime:
    """Return a time, so many seconds after the tests' start."""
    return START + timedelta(seconds=seconds)


def sha(name: str) -> str:
    """Return a commit id that follows from a name."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


def make_commit(name: str) -> Commit:
    return Commit(
        sha=sha(name),
        subject=f"Add {name}: größer",
        author_name="Zoë",
        author_email="zoe@example.org",
        committed_at=START,
    )


def make_release(name: str, **changes: Any) -> Release:
    values: dict[str, Any] = {
        "id": f"20261121030000-{sha(name)[:12]}",
        "pipeline": SHOP,
        "commit": make_commit(name),
        "images": (
            Image(
                target="backend",
                repository="registry.example/shop/backend",
                digest=f"sha256:{sha(name):0<64}",
                services=("backend", "worker"),
            ),
        ),
        "third_party": {"redis": "redis:7", "db": "postgres:17"},
        "revisions": (Revision(id="a1"), Revision(id="b2", down=("a1",), message="add orders")),
        "bundle_checksum": "0" * 64,
        "created_at": START,
    }
    return Release(**values | changes)


def make_plan(name: str, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "pipeline": SHOP,
        "environment": PROD,
        "release_id": make_release(name).id,
        "running_release_id": None,
        "commit": make_commit(name),
        "compose_diff": "-a\n+b\n",
        "approvers": ("alice", "bob"),
        "expected_seconds": 12.5,
    }
    return Plan(**values | changes)


def make_backup(path: str = "backups/1.dump") -> BackupReceipt:
    return BackupReceipt(
        host="prod-1",
        path=path,
        bytes=104_857_600,
        sha256="f" * 64,
        entries=42,
        tables=7,
        revision="b2",
        taken_at=START,
        seconds=1.44,
    )


def open_promotion(
    ledger: Ledger, run: str | None = None, *, seconds: float = 0, **changes: Any
) -> PromotionRecord:
    values: dict[str, Any] = {
        "pipeline": SHOP,
        "environment": PROD,
        "kind": Kind.PROMOTE,
        "ref": "main",
        "flow_run_id": run,
        "requested_by": "alice",
        "cause": "merged #7",
        "now": at(seconds),
    }
    return ledger.promotions.open(**values | changes)


def bring(
    ledger: Ledger, name: str, status: Status = Status.SUCCEEDED, *, seconds: float = 0, **changes: Any
) -> PromotionRecord:
    """Open a promotion of a release and take it to a status by its usual way, a second each."""
    promotion = open_promotion(ledger, seconds=seconds, **changes)
    release = ledger.releases.record(make_release(name))
    promotion = ledger.promotions.set_release(promotion.id, release.id, at(seconds))
    for step, following in enumerate(WAYS[status], start=1):
        promotion = ledger.promotions.move(promotion.id, following, now=at(seconds + step))
    return promotion
