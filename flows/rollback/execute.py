"""The rollback itself: the code alone, or together with the database; and forward again when it fails."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from blocks.values.rollback import RollbackStrategy, StrategyKind
from flows.core.attempt import attempt
from flows.domain.rollback.strategy import end_words
from flows.domain.words.names import one_off_name
from flows.promotion.change import Change, begin_pulls, carry_out, dump_name, record_dump, switch
from flows.promotion.fallback import PromotionFallback, end
from flows.promotion.preflights import raise_first
from flows.promotion.release_data import refuse_left
from tasks.database.backup import back_up
from tasks.database.commands.names import Names
from tasks.database.downgrade import downgrade
from tasks.database.live import ask_live, database_engine
from tasks.database.loss import compare, loss_from_copy, lost_by_downgrade
from tasks.database.restore import (
    drop_kept,
    keep_database,
    pause,
    put_database_back,
    restore_beside,
    swap_database,
)
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError, SluiceError, TerminalError
from tasks.services.preflight import check_compose, preflight
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture

    from blocks.values.manifests import Manifest
    from blocks.values.receipts import BackupReceipt, StepReceipt
    from tasks.database.commands.loss import Differences

# Nothing was changed, or all of it: what is kept beside is of no use any more.
_DATABASE_AS_IT_SHALL_BE = frozenset({Status.SUCCEEDED, Status.FAILED, Status.REFUSED})


def carry_back(run: Run, change: Change, strategy: RollbackStrategy) -> Status:
    """Go back as it was decided; when that fails, what was left runs again, on the database as it was.

    Returns:
        `SUCCEEDED`, or what the failure left: the ledger has the same status and a line why.
    """
    if strategy.way is StrategyKind.CODE:
        return carry_out(run, change)
    ending = attempt(partial(_forward, run, change, strategy), fallback_of(run, change, strategy))
    if ending.status in _DATABASE_AS_IT_SHALL_BE:
        _drop_quietly(run)
    return end(run, ending)


class DatabaseFallback(PromotionFallback):
    """What ran before a rollback that takes the database along."""

    @property
    def release_id(self) -> str:
        """The release that ran before: there is one, and its database is put back in any case."""
        return super().release_id or "what ran before"

    def prepare(self) -> None:
        """Put the database back as it was."""
        put_database_back(self.run, host=self.run.primary, names=_names(self.run))


def fallback_of(run: Run, change: Change, strategy: RollbackStrategy) -> PromotionFallback:
    """Return what a rollback falls back on."""
    kind = PromotionFallback if strategy.way is StrategyKind.CODE else DatabaseFallback
    return kind(run, change.hosts, change.manifests)


def _forward(run: Run, change: Change, strategy: RollbackStrategy) -> str:
    refuse_left(run.policy, change.hosts, change.manifests)
    # All that will be needed is there before anything is touched.
    raise_first([*_checks(run, change, strategy), *begin_pulls(run, change)])
    if strategy.way is StrategyKind.RESTORE:
        _restore(run, change, strategy)
    else:
        _downgrade(run, change, strategy)
    switch(run, change)
    return f"{change.release.id} runs in {run.environment}, {end_words(strategy, run.environment)}"


def refuse_unready(run: Run, change: Change, strategy: RollbackStrategy) -> None:
    """See that the hosts can carry a rollback before it ends what waits; what it does itself checks them again."""
    raise_first(_checks(run, change, strategy))


def _checks(run: Run, change: Change, strategy: RollbackStrategy) -> list[PrefectFuture[StepReceipt]]:
    # A database that is changed has a dump and a second one beside it meanwhile.
    needed = 0 if strategy.way is StrategyKind.CODE else 3 * (change.hosts[run.primary].database_bytes or 0)
    futures: list[PrefectFuture[StepReceipt]] = []
    for name, manifest in change.manifests.items():
        space = needed if name == run.primary else 0
        futures += [
            preflight.submit(run, host=name, ports=frozenset(), needed_bytes=space),
            check_compose.submit(run, host=name, manifest=manifest, kept=True),
        ]
    return futures


def _restore(run: Run, change: Change, strategy: RollbackStrategy) -> None:
    host, names = run.primary, _names(run)
    backup = _dump_of(run, strategy)
    restore_beside(run, host=host, backup=backup, names=names)
    _pause_and_back_up(run, change)
    if not run.journal.begun("swap database"):
        _check_loss(run, backup, strategy)
    swap_database(run, host=host, names=names)


def _dump_of(run: Run, strategy: RollbackStrategy) -> BackupReceipt:
    for record in run.ledger.backups.of(run.pipeline, run.environment):
        if (record.receipt.path, record.receipt.sha256) == (strategy.backup_path, strategy.backup_sha256):
            return record.receipt
    raise RefusedError(
        f"the dump {strategy.backup_path} is not in the ledger any more", "start the rollback again"
    )


def _check_loss(run: Run, backup: BackupReceipt, strategy: RollbackStrategy) -> None:
    """See, now that nothing writes any more, that no more is lost than people agreed to."""
    found = _compared(run, _names(run).new)
    loss = loss_from_copy(found, backup_path=backup.path, taken_at=backup.taken_at)
    if loss.rows > (strategy.most_rows or 0):
        raise TerminalError(
            f"{loss.rows} rows would be lost by now, and the approvals cover {strategy.most_rows or 0}",
            "ask again: start the rollback again",
        )
    log().info("%s: %s rows are lost; they are in the dump taken a moment ago", run.primary, loss.rows)


def _downgrade(run: Run, change: Change, strategy: RollbackStrategy) -> None:
    """Dump and keep the database, take it back, and see that nothing was lost."""
    host, names = run.primary, _names(run)
    left = _left(change, host)
    _pause_and_back_up(run, change)
    keep_database(run, host=host, names=names)
    downgrade(
        run,
        host=host,
        manifest=left,
        to_revision=strategy.to_revision or "",
        container=one_off_name(run.pipeline, "downgrade", str(run.promotion_id)),
    )
    if run.journal.begun("up"):
        # The earlier release writes already, so what differs now is its work.
        return
    lost = lost_by_downgrade(_compared(run, names.old))
    if lost:
        raise TerminalError(
            f"the down-migrations lost what they did not lose on the copy: {'; '.join(lost[:3])}",
            "the database is restored as it was; a restore is the other way",
        )


def _pause_and_back_up(run: Run, change: Change) -> None:
    """Stop what is built here on every host; dump the database before it is changed, so that this can be undone."""
    for name in change.hosts:
        left = _left(change, name)
        own = {service for image in left.release.images for service in image.services}
        pause(
            run,
            host=name,
            manifest=left,
            services=tuple(sorted(own & set(left.services))),
        )
    name = dump_name(run, change.release.id)
    record_dump(run, back_up(run, host=run.primary, name=name, empty_counts=True))


def _compared(run: Run, database: str) -> Differences:
    """Compare a database beside the live one with that one."""
    return compare(
        database_engine(run).comparison,
        partial(ask_live, run, database=database),
        partial(ask_live, run),
    )


def _left(change: Change, host: str) -> Manifest:
    manifest = change.hosts[host].manifest
    if manifest is None:
        raise RefusedError(f"nothing runs on {host}", "look at the host, or promote a release")
    return manifest


def _drop_quietly(run: Run) -> None:
    """Remove the databases beside the live one; what cannot be removed takes space and does no harm."""
    try:
        drop_kept(run, host=run.primary, names=_names(run))
    except SluiceError as error:
        log().warning("%s", error)


def _names(run: Run) -> Names:
    row = run.ledger.promotions.get(run.promotion_id)
    return Names.of(run.promotion_id, row.created_at if row else utc_now())
