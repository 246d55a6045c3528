"""What hosts remember of rollbacks that were made without the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt
from tasks.steps.step import fact

if TYPE_CHECKING:
    from blocks.values.offline import OfflineRollback
    from tasks.steps.run import Run


@fact("read offline rollbacks")
def read_offline(run: Run, host: str) -> tuple[OfflineRollback, ...]:
    """Read what a host remembers of rollbacks that the ledger does not know yet, oldest first.

    Running it twice is safe: it only reads.
    """
    return run.target(host).read_rollbacks()


@fact("mark recorded")
def mark_recorded(run: Run, *, host: str, identifier: str) -> StepReceipt:
    """Let a host know that the ledger has a rollback now.

    Running it twice is safe: what is marked is left. It needs no lease: nothing that runs is touched.
    """
    run.target(host).mark_recorded(identifier)
    return StepReceipt(text=f"{host}: {identifier} is in the ledger")
