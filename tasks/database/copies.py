"""A throw-away copy of the database: restored from a dump, on a network that leads nowhere, gone at the end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.database.commands import copies
from tasks.database.commands.drill_host import take_roles, variables
from tasks.database.commands.live_database import live_database, parse_live, parse_rows, query_live
from tasks.database.drill_host import dump_on, find_image, place_of, roles_of
from tasks.host.host_facts import NOT_RUNNING
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.protocols import Call, Limits, Result
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.pipeline import Backup
    from blocks.values.receipts import BackupReceipt
    from tasks.database.commands.live_database import LiveDatabase
    from tasks.kernel.argv import Argv
    from tasks.kernel.protocols import Host
    from tasks.steps.run import Run

PREFIX = "sluice-copy-"
_START_SECONDS = 300
_READY_SECONDS = 300
_CLEAR_SECONDS = 120
_ROLES_SECONDS = 60


class BrokenDumpError(TerminalError):
    """The dump is not there any more, or not what it was when it was taken."""


@dataclass(frozen=True)
class Copy:
    """A running copy of the database.

    Attributes:
        host: The host it runs on.
        container: Its container.
        network: Its network, which only leads to the copy.
        service: The compose service it stands for, and its name on that network.
        user: Its superuser.
        database: The database's name.
        restore_seconds: How long the restore took.
        restore_errors: What `pg_restore` could not restore, one line each; empty: everything was.
    """

    host: str
    container: str
    network: str
    service: str
    user: str
    database: str
    restore_seconds: float = 0.0
    restore_errors: tuple[str, ...] = ()


@contextmanager
def open_copy(run: Run, *, name: str, backup: BackupReceipt, host: str | None = None) -> Iterator[Copy]:
    """Restore a dump into a container of its own, and remove it at the end.

    Nothing live is touched, so no lease is needed. What a killed run left under the same name is removed first, and
    so is every copy on that host that is older than a day.

    Args:
        name: What tells this copy from others on the host, such as `shop-prod-drill-17`.
        host: Where; None for the policy's drill host, else the dump's own.

    Yields:
        The copy, restored.

    Raises:
        BrokenDumpError: The dump is gone, or its checksum is not the one it had.
        TerminalError: The database does not run, or the copy cannot be made there; the message says why.
    """
    _refuse_own_command(run)
    place = host or run.policy.database.drill_host or backup.host
    there, _ = place_of(run, place)
    container = f"{PREFIX}{name}"
    try:
        live = _read_live(run)
        _start(run, there, container, live, backup)
        with dump_on(run, place, backup, container) as path:
            copy = _restore(run, there, container, live, path)
        yield copy
    finally:
        _clear(there, container)


def ask_copy(run: Run, copy: Copy, sql: str) -> list[list[str]]:
    """Ask a copy.

    Args:
        sql: What `psql` is given; fields hold no tabs or line ends.

    Returns:
        The rows of all its results, fields as text; NULL is empty.

    Raises:
        TerminalError: The copy refused it.
    """
    argv = copies.query_copy(copy.container, copy.user, copy.database)
    return _ask(run, place_of(run, copy.host)[0], argv, sql, f"the copy {copy.container}")


def ask_live(run: Run, host: str, sql: str) -> list[list[str]]:
    """Ask the live database, in its own container.

    Args:
        host: The host that keeps it.
        sql: What `psql` is given; fields hold no tabs or line ends.

    Returns:
        The rows of all its results, fields as text; NULL is empty.

    Raises:
        TerminalError: It does not run, or refused it.
    """
    backup = _policy(run)
    argv = query_live(run.pipeline, backup.service, backup.user or "", backup.database or "")
    return _ask(run, run.hosts[host], argv, sql, "the database")


def _policy(run: Run) -> Backup:
    if run.policy.backup is None:
        raise TerminalError(
            f"{run.environment} has no backup, so there is nothing to copy", "add backup to pipeline.yaml"
        )
    return run.policy.backup


def _refuse_own_command(run: Run) -> None:
    if _policy(run).command is not None:
        raise TerminalError(
            f"the dumps of {run.environment} are made by backup.command: only PostgreSQL's own dumps can be drilled",
            "remove backup.command in pipeline.yaml, or set database.drill and database.rehearse to false",
        )


def _ask(run: Run, there: Host, argv: Argv, sql: str, whom: str) -> list[list[str]]:
    result = there.run(_call(argv, _policy(run).timeout, sql.encode()))
    if result.exit_code == NOT_RUNNING:
        raise _not_running(run, there)
    if not result.ok:
        raise TerminalError(
            f"{whom} on {there.name} refused a question: {_word(result)}",
            "nothing was changed; check the database, then retry",
            result.tail(20),
        )
    return parse_rows(result.stdout)


def _word(result: Result) -> str:
    """Return the line in which PostgreSQL says why; what follows it only points into the statement."""
    said = [line for line in result.stderr.splitlines() if "ERROR: " in line or "FATAL: " in line]
    return said[0] if said else result.tail(2)


def _call(argv: Argv, seconds: float, stdin: bytes | None = None) -> Call:
    return Call(argv=argv, stdin=stdin, limits=Limits(total_seconds=seconds, idle_seconds=seconds))


def _not_running(run: Run, there: Host) -> TerminalError:
    return TerminalError(
        f"no container of service {_policy(run).service} runs on {there.name}",
        "start the database there (or correct backup.service in pipeline.yaml), then retry this run",
    )


def _read_live(run: Run) -> LiveDatabase:
    """Read what a copy must be like."""
    there, backup = run.hosts[run.primary], _policy(run)
    argv = live_database(run.pipeline, backup.service, backup.user or "", backup.database or "")
    result = there.run(_call(argv, 60))
    if result.exit_code == NOT_RUNNING:
        raise _not_running(run, there)
    try:
        return parse_live(result.stdout)
    except ValueError as error:
        raise TerminalError(
            f"the database on {there.name} cannot be described ({error}): {result.tail(2)}",
            "a copy needs PostgreSQL in a container; check backup.service in pipeline.yaml",
            result.tail(20),
        ) from None


def _start(run: Run, there: Host, container: str, live: LiveDatabase, backup: BackupReceipt) -> None:
    """Start an empty copy with the live database's roles, while the dump's checksum is compared."""
    with ThreadPoolExecutor(1) as beside:
        checking = beside.submit(copy_context().run, _check_dump, run, backup)
        _run_container(run, there, container, live, 2 * live.bytes + backup.bytes)
        checking.result()
    waited = there.run(_call(copies.ready(container, live.superuser, _READY_SECONDS), 2 * _READY_SECONDS))
    if not waited.ok:
        raise TerminalError(
            f"the copy of the database on {there.name} did not start: {waited.tail(2)}",
            "fix the cause and retry; the live database was not touched",
            waited.tail(20),
        )
    if there.name == run.primary:
        roles = there.run(_call(copies.give_roles(container, live), _ROLES_SECONDS))
    else:
        argv = take_roles(container, live.superuser)
        roles = there.run(_call(argv, _ROLES_SECONDS, roles_of(run, live)))
    strange = [line for line in roles.stderr.splitlines() if "already exists" not in line]
    if strange:
        log().warning("%s: the copy lacks some of the roles: %s", there.name, strange[-1])


def _run_container(run: Run, there: Host, container: str, live: LiveDatabase, needed_bytes: int) -> None:
    home = there.name == run.primary
    argv = copies.start(
        container,
        f"{run.pipeline}/{run.environment}",
        live,
        service=_policy(run).service,
        image=live.image if home else find_image(run, there, live),
        needed_bytes=needed_bytes,
        beside=home,
    )
    result = there.run(_call(argv, _START_SECONDS, None if home else variables(live)))
    if not result.ok:
        raise _not_started(there, result)


def _not_started(there: Host, result: Result) -> TerminalError:
    if result.exit_code == copies.EXIT_NO_SPACE:
        return TerminalError(
            f"{there.name} has no room for a copy of the database: {result.tail(1)}",
            "free some space, or name another host in database.drill_host",
        )
    what = {
        copies.EXIT_NO_NETWORK: "its network could not be made",
        copies.EXIT_NO_SETTINGS: "the live database's container does not answer",
        copies.EXIT_NO_START: "its container was not started",
    }.get(result.exit_code, "the Docker engine refused")
    return TerminalError(
        f"no copy of the database on {there.name}: {what}: {result.tail(2)}",
        "fix the cause and retry; the live database was not touched",
        result.tail(20),
    )


def _check_dump(run: Run, backup: BackupReceipt) -> None:
    """Compare the dump with the checksum and size it had when it was taken.

    Raises:
        BrokenDumpError: It is another one.
    """
    there, _ = place_of(run, backup.host)
    result = there.run(_call(copies.checksum(backup.path), _policy(run).timeout))
    if result.exit_code == NOT_RUNNING:
        raise BrokenDumpError(
            f"the dump {backup.path} is not on {there.name} any more",
            "take a new one: promote, or start the drill again",
        )
    if not result.ok:
        raise TerminalError(
            f"the dump {backup.path} on {there.name} cannot be read: {result.tail(1)}",
            "check the disk there",
        )
    checksum, size = result.stdout.split()
    if int(size) != backup.bytes:
        raise BrokenDumpError(
            f"the dump {backup.path} on {there.name} has {size} bytes, {backup.bytes} were written",
            "it cannot be used; check the disk there and take a new one",
        )
    if checksum != backup.sha256:
        raise BrokenDumpError(
            f"the dump {backup.path} on {there.name} is not what was written: its checksum differs",
            "it cannot be used; check the disk there and take a new one",
        )


def _restore(run: Run, there: Host, container: str, live: LiveDatabase, path: str) -> Copy:
    argv = copies.restore(path, container, live.superuser)
    result = there.run(_call(argv, _policy(run).timeout))
    if not result.ok and "No space left on device" in result.stderr:
        raise TerminalError(
            f"the disk of {there.name} filled up while the dump was restored",
            "free some space, or name another host in database.drill_host",
        )
    errors = copies.restore_errors(result.stderr)
    if not result.ok and not errors:
        errors = (f"exit status {result.exit_code}: {result.tail(1)}",)
    log().info("%s: restored in %.1f s", there.name, result.seconds)
    return Copy(
        host=there.name,
        container=container,
        network=container,
        service=_policy(run).service,
        user=live.superuser,
        database=live.database,
        restore_seconds=result.seconds,
        restore_errors=errors,
    )


def _clear(there: Host, container: str) -> None:
    """Remove a copy; what cannot be removed now is removed by the next one."""
    try:
        result = there.run(_call(copies.clear(container), _CLEAR_SECONDS))
    except SluiceError as error:
        log().warning("the copy %s is left on %s: %s", container, there.name, error)
        return
    if not result.ok:
        log().warning("the copy %s is left on %s: %s", container, there.name, result.tail(1))
