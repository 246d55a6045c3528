"""A database put in the live one's place, and back: beside it first, then by its name alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tenacity import Retrying, retry_if_exception, stop_after_attempt

from blocks.values.receipts import StepReceipt
from tasks.database.commands.copies import checksum, feed
from tasks.database.live import backup_of, call, database_engine, login_of, within
from tasks.host.host_facts import NOT_RUNNING
from tasks.kernel.errors import TerminalError
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from blocks.values.receipts import BackupReceipt
    from tasks.database.commands.names import Names
    from tasks.kernel.protocols import Result
    from tasks.steps.run import Run

_QUICK_SECONDS = 120.0
# A client that comes back at once may stand in the way of a rename, which itself waits 5 s for it.
_TRIES = 5


@step("restore beside", StepReceipt)
def restore_beside(run: Run, *, host: str, backup: BackupReceipt, names: Names) -> StepReceipt:
    """Restore a dump into a new database beside the live one, which goes on working meanwhile.

    Running it twice is safe: a database an earlier try left half-filled is made anew.
    """
    began, beside = time.monotonic(), database_engine(run).beside
    _check_dump(run, host, backup)
    _alter(run, host, names, beside.MAKE, "restore: no database could be made beside the live one")
    policy = backup_of(run)
    inner = within(run, beside.fill(names.new, login_of(policy)))
    _good(
        run.hosts[host].run(
            run.change(host, feed(backup.path, inner), seconds=policy.timeout), on_line=log().info
        ),
        f"restore: {backup.path} on {host} does not restore",
        "the live database was not touched; take another dump, or fix what the message says",
    )
    return StepReceipt(
        text=f"{host}: restored {backup.path} beside the live database", seconds=time.monotonic() - began
    )


def _check_dump(run: Run, host: str, backup: BackupReceipt) -> None:
    found = run.hosts[host].run(call(checksum(backup.path), backup_of(run).timeout))
    if found.stdout.split() != [backup.sha256, str(backup.bytes)]:
        raise TerminalError(
            f"restore: {backup.path} on {host} is not there any more or not what was written",
            "the live database was not touched; go back to another dump",
        )


@step("pause", StepReceipt)
def pause(run: Run, *, host: str, manifest: Manifest, services: tuple[str, ...]) -> StepReceipt:
    """Stop the application's own services, so that nothing writes while the database is changed.

    Running it twice is safe: what is stopped stays stopped. Database, containers and volumes stay.

    Args:
        services: The services of its own images.
    """
    run.target(host).pause(manifest, services)
    return StepReceipt(text=f"{host}: {', '.join(services) or 'nothing'} stopped")


@step("keep database", StepReceipt)
def keep_database(run: Run, *, host: str, names: Names) -> StepReceipt:
    """Keep the live database as it is now under another name, before it is changed in its place.

    Running it twice is safe: one that is kept already is not kept again.

    Args:
        run: The promotion, its services paused.
    """
    _patiently(
        run, host, names, database_engine(run).beside.KEEP, "keep: the live database could not be copied"
    )
    return StepReceipt(text=f"{host}: kept as {names.old}")


@step("swap database", StepReceipt)
def swap_database(run: Run, *, host: str, names: Names) -> StepReceipt:
    """Give the restored database the live one's name; the live one is kept under another name.

    Running it twice is safe: both names change in one transaction, and what is swapped is not swapped again.

    Args:
        run: The promotion, its services paused.

    Raises:
        TerminalError: The names could not be changed; the live database is the one it was.
    """
    _patiently(run, host, names, database_engine(run).beside.SWAP, "swap: the database could not be renamed")
    return StepReceipt(text=f"{host}: the restored database is live, the one before is {names.old}")


@step("put database back", StepReceipt)
def put_database_back(run: Run, *, host: str, names: Names) -> StepReceipt:
    """Make the database live again that was before, after the release that was gone back to failed.

    Running it twice is safe: it looks which of them is there.

    Raises:
        TerminalError: The names could not be changed; both databases are still there.
    """
    what = f"put back: {names.old} could not get its name again"
    _patiently(run, host, names, database_engine(run).beside.PUT_BACK, what)
    return StepReceipt(text=f"{host}: the database is the one it was")


@step("drop database", StepReceipt)
def drop_kept(run: Run, *, host: str, names: Names) -> StepReceipt:
    """Remove what was kept of the database before: its dump is there, read back, and listed in the ledger.

    Running it twice is safe: what is gone is gone.
    """
    what = "drop: what was kept of the database could not be removed"
    _alter(run, host, names, database_engine(run).beside.DROP, what)
    return StepReceipt(text=f"{host}: {names.old} removed")


def _patiently(run: Run, host: str, names: Names, sql: str, what: str) -> None:
    """Change names, and try again while somebody is still connected."""
    beside = database_engine(run).beside
    for attempt in Retrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, TerminalError) and beside.is_in_use(error.detail)
        ),
        stop=stop_after_attempt(_TRIES),
        reraise=True,
        before_sleep=lambda _: log().info("somebody is connected to the database; trying again"),
    ):
        with attempt:
            _alter(run, host, names, sql, what)


def _alter(run: Run, host: str, names: Names, sql: str, what: str) -> None:
    policy = backup_of(run)
    argv = within(run, database_engine(run).beside.change(names, login_of(policy)))
    change = run.change(host, argv, seconds=max(policy.timeout, _QUICK_SECONDS), stdin=sql.encode())
    _good(run.hosts[host].run(change), what, "look at the database's log there")


def _good(result: Result, what: str, todo: str) -> None:
    if result.exit_code == NOT_RUNNING:
        raise TerminalError(
            f"{what}: no container of the database runs", "start it there, then retry this run"
        )
    if not result.ok:
        raise TerminalError(f"{what}: {result.tail(2)}", todo, result.tail(30))
