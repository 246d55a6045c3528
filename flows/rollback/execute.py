"""The way back itself: the code alone, or together with the database; and forward again when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocks.values.lifecycle import Status
from blocks.values.rollback import RollbackStrategy, StrategyKind
from flows.core.attempt import attempt
from flows.domain.words.names import backup_name, one_off_name
from flows.promotion.change import Change, carry_out, switch
from flows.promotion.fallback import PromotionFallback, end
from flows.promotion.preflights import raise_first
from flows.promotion.release_data import refuse_left
from tasks.database.backup import back_up
from tasks.database.commands.databases import Names
from tasks.database.downgrade import downgrade
from tasks.database.loss import compare, loss_from_copy, lost_by_downgrade
from tasks.database.restore import (
    ask_database,
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
from tasks.services.prepare import pull
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture

    from blocks.values.manifests import Manifest
    from blocks.values.receipts import BackupReceipt

# Nothing was changed, or all of it: what is kept beside is of no use any more.
_DATABASE_AS_IT_SHALL_BE = frozenset({Status.SUCCEEDED, Status.FAILED, Status.REFUSED})


def carry_back(run: Run, change: Change, way: RollbackStrategy) -> Status:
    """Go back as it was decided; when that fails, what was left runs again, on the database as it was.

    Args:
        run: The rollback, `RUNNING` and holding the lease.
        change: The release that shall run, and what the hosts have now.

    Returns:
        `SUCCEEDED`, or what the failure left: the ledger has the same status and a line why.
    """
    if way.way is StrategyKind.CODE:
        return carry_out(run, change)
    ending = attempt(lambda: _forward(run, change, way), fallback_of(run, change, way))
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


def fallback_of(run: Run, change: Change, way: RollbackStrategy) -> PromotionFallback:
    """Return what a rollback falls back on."""
    kind = PromotionFallback if way.way is StrategyKind.CODE else DatabaseFallback
    return kind(run, change.hosts, change.manifests)


def _forward(run: Run, change: Change, way: RollbackStrategy) -> str:
    refuse_left(run.policy, change.hosts, change.manifests)
    _check(run, change, way)
    if way.way is StrategyKind.RESTORE:
        _restore(run, change, way)
    else:
        _downgrade(run, change, way)
    switch(run, change)
    return _end_line(run, change, way)


def refuse_unready(run: Run, change: Change, way: RollbackStrategy) -> None:
    """See that the hosts can carry a rollback before it ends what waits; what it does itself checks them again.

    Args:
        run: The rollback, holding the lease.

    Raises:
        RefusedError: A host cannot, or has not what was put there.
    """
    raise_first(_checks(run, change, way))


def _check(run: Run, change: Change, way: RollbackStrategy) -> None:
    """See that everything is there that will be needed, before anything is touched."""
    futures = _checks(run, change, way)
    for name, manifest in change.manifests.items():
        futures.append(pull.submit(run, host=name, manifest=manifest))
    raise_first(futures)


def _checks(run: Run, change: Change, way: RollbackStrategy) -> list[PrefectFuture[Any]]:
    futures: list[PrefectFuture[Any]] = []
    # A database that is changed has a dump and a second one beside it meanwhile.
    needed = 0 if way.way is StrategyKind.CODE else 3 * (change.hosts[run.primary].database_bytes or 0)
    for name, manifest in change.manifests.items():
        space = needed if name == run.primary else 0
        futures += [
            preflight.submit(run, host=name, ports=frozenset(), needed_bytes=space),
            check_compose.submit(run, host=name, manifest=manifest, kept=True),
        ]
    return futures


def _restore(run: Run, change: Change, way: RollbackStrategy) -> None:
    """Restore the dump beside the live database, dump that one, and swap the two."""
    host, names = run.primary, _names(run)
    backup = _dump_of(run, way)
    restore_beside(run, host=host, backup=backup, names=names)
    _pause(run, change)
    _back_up(run, change)
    if not run.journal.begun("swap database"):
        _check_loss(run, backup, way)
    swap_database(run, host=host, names=names)


def _dump_of(run: Run, way: RollbackStrategy) -> BackupReceipt:
    for record in run.ledger.backups.of(run.pipeline, run.environment):
        if (record.receipt.path, record.receipt.sha256) == (way.backup_path, way.backup_sha256):
            return record.receipt
    raise RefusedError(
        f"the dump {way.backup_path} is not in the ledger any more", "start the rollback again"
    )


def _check_loss(run: Run, backup: BackupReceipt, way: RollbackStrategy) -> None:
    """See, now that nothing writes any more, that no more is lost than people agreed to.

    Raises:
        TerminalError: More is lost.
    """
    host = run.primary
    found = compare(ask_database(run, host, _names(run).new), ask_database(run, host, ""))
    loss = loss_from_copy(found, backup_path=backup.path, taken_at=backup.taken_at)
    if loss.rows > (way.most_rows or 0):
        raise TerminalError(
            f"{loss.rows} rows would be lost by now, and the approvals cover {way.most_rows or 0}",
            "ask again: start the rollback again",
        )
    log().info("%s: %s rows are lost; they are in the dump taken a moment ago", host, loss.rows)


def _downgrade(run: Run, change: Change, way: RollbackStrategy) -> None:
    """Dump and keep the database, take it back, and see that nothing was lost."""
    host, names = run.primary, _names(run)
    left = _left(change, host)
    _pause(run, change)
    _back_up(run, change)
    keep_database(run, host=host, names=names)
    downgrade(
        run,
        host=host,
        manifest=left,
        to_revision=way.to_revision or "",
        container=one_off_name(run.pipeline, "downgrade", str(run.promotion_id)),
    )
    if run.journal.begun("up"):
        # The earlier release writes already, so what differs now is its work.
        return
    lost = lost_by_downgrade(compare(ask_database(run, host, names.old), ask_database(run, host, "")))
    if lost:
        raise TerminalError(
            f"the down-migrations lost what they did not lose on the copy: {'; '.join(lost[:3])}",
            "the database is restored as it was; a restore is the other way",
        )


def _pause(run: Run, change: Change) -> None:
    """Stop the application's own services on every host: those whose images are built here."""
    for name in change.hosts:
        left = _left(change, name)
        own = {service for image in left.release.images for service in image.services}
        pause(
            run,
            host=name,
            manifest=left,
            services=tuple(sorted(own & set(left.services))),
        )


def _left(change: Change, host: str) -> Manifest:
    manifest = change.hosts[host].manifest
    if manifest is None:
        raise RefusedError(f"nothing runs on {host}", "look at the host, or promote a release")
    return manifest


def _back_up(run: Run, change: Change) -> None:
    """Dump the database before it is changed, so that this rollback can be undone."""
    row = run.ledger.promotions.get(run.promotion_id)
    name = backup_name(run.environment, change.release.id, row.created_at if row else utc_now())
    receipt = back_up(run, host=run.primary, name=name, empty_counts=True)
    known = [record.receipt.path for record in run.ledger.backups.of(run.pipeline, run.environment)]
    if receipt.path not in known:
        run.ledger.backups.add(
            promotion_id=run.promotion_id,
            pipeline=run.pipeline,
            environment=run.environment,
            receipt=receipt,
            now=utc_now(),
        )


def _drop_quietly(run: Run) -> None:
    """Remove the databases beside the live one; what cannot be removed takes space and does no harm."""
    try:
        drop_kept(run, host=run.primary, names=_names(run))
    except SluiceError as error:
        log().warning("%s", error)


def _end_line(run: Run, change: Change, way: RollbackStrategy) -> str:
    how = {
        StrategyKind.DOWNGRADE: f"its schema by down-migrations to {way.to_revision}, nothing lost",
        StrategyKind.RESTORE: f"its database as dumped {way.loss.taken_at:%Y-%m-%d %H:%M} UTC"
        if way.loss
        else "restored",
    }[way.way]
    undo = ""
    if way.way is StrategyKind.RESTORE:
        undo = f"; `prefect deployment run rollback/{run.environment} --param undo=true` asks to undo it"
    return f"{change.release.id} runs in {run.environment}, {how}; its smoke checks passed{undo}"


def _names(run: Run) -> Names:
    row = run.ledger.promotions.get(run.promotion_id)
    return Names.of(run.promotion_id, row.created_at if row else utc_now())
