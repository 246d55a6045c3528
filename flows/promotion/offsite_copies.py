"""The copies of a dump beside the promotion that took it: begun with the dump, waited for at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt
from flows.domain.words.names import REHEARSAL
from tasks.database.offsite import copy_backup, file_name, place_names
from tasks.kernel.errors import SluiceError, unexpected
from tasks.kernel.redact import process_redactor
from tasks.steps.notify import tell
from tasks.steps.step import log

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture

    from blocks.values.receipts import BackupReceipt
    from tasks.steps.run import Run

# What this process has begun and not waited for: a future belongs to the process that made it, not to the promotion.
_begun: dict[tuple[int, str], PrefectFuture[StepReceipt]] = {}


def begin_copies(run: Run, backup: BackupReceipt) -> None:
    """Begin to copy a dump to every place of the policy. Nothing waits for it; `end_copies` does.

    Running it twice is safe: what is copied already is not copied again.
    """
    for place in place_names(run.policy):
        target = f"{file_name(backup)} → {place}"
        if (run.promotion_id, target) not in _begun:
            _begun[run.promotion_id, target] = copy_backup.submit(
                run, target=target, place=place, backup=backup
            )


def end_copies(run: Run) -> tuple[str, ...]:
    """Wait for the copies of this promotion's dumps, and tell people of those that failed.

    A copy that fails changes nothing about the promotion: the dump itself is on its host, checked. Copies that a
    killed run left undone are made now. It needs no lease, so give the lease back before: a large copy takes its time.
    """
    for record in run.ledger.backups.of(run.pipeline, run.environment):
        # The dump of a rehearsal is only a moment older than the one of the change, which is the one that counts.
        rehearsed = file_name(record.receipt).startswith(REHEARSAL)
        if record.promotion_id == run.promotion_id and not rehearsed:
            begin_copies(run, record.receipt)
    mine = [key for key in _begun if key[0] == run.promotion_id]
    failed = tuple(line for key in mine if (line := _failure(key[1], _begun.pop(key))))
    if failed and run.policy.notify:
        _tell(run, failed)
    return failed


def _failure(target: str, future: PrefectFuture[StepReceipt]) -> str:
    """Wait for a copy; return why it failed, in one line, or an empty text."""
    try:
        future.result()
    except SluiceError as error:
        line = f"copy backup: {target}: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, the promotion has ended
        line = f"copy backup: {target}: {unexpected(error)}"
    else:
        return ""
    clean = process_redactor().text(line)
    log().warning("%s", clean)
    return clean


def _tell(run: Run, failed: tuple[str, ...]) -> None:
    text = (
        f"⚠️ {run.pipeline} {run.environment}: the dump of promotion {run.promotion_id} is only on its host\n"
    )
    data = {
        "event": "copy-failed",
        "pipeline": run.pipeline,
        "environment": run.environment,
        "promotion": run.promotion_id,
        "failed": list(failed),
    }
    key = f"{run.pipeline}/{run.environment}/{run.promotion_id}/copy-failed"
    tell(run.policy.notify, text + "\n".join(failed), data, key)
