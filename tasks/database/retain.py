"""Which dumps may go, by what the ledger knows now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Kind
from tasks.host.retention import History, known_dumps, to_remove
from tasks.kernel.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tasks.host.retention import StoredDump
    from tasks.ledger.store import Ledger
    from tasks.steps.run import Run

# A ledger's newest drills; older ones are about dumps that went long ago.
_DRILLS = 1000
_PROMOTIONS = 5000


def history_of(ledger: Ledger, pipeline: str, environment: str) -> History:
    """Return what the ledger says of an environment's dumps."""
    recorded = ledger.backups.of(pipeline, environment)
    past = ledger.promotions.history(pipeline, environment, limit=_PROMOTIONS)
    return History(
        recorded=recorded,
        drills=[drill.receipt for drill in ledger.drills.of(pipeline, environment, limit=_DRILLS)],
        open={row.id for row in ledger.promotions.open_in(pipeline, environment)},
        restoring={row.id for row in past if row.kind is Kind.ROLLBACK},
    )


def removable(run: Run, stored: Iterable[StoredDump]) -> tuple[str, ...]:
    """Decide which of the dumps at one place may go; see `tasks.host.retention.to_remove`."""
    backup = run.policy.backup
    if backup is None:
        return ()
    history = history_of(run.ledger, run.pipeline, run.environment)
    dumps = known_dumps(stored, history, environment=run.environment, built_in=backup.built_in)
    return to_remove(dumps, keep=backup.keep, keep_days=backup.keep_days, now=utc_now())
