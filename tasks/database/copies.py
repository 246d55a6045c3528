"""A throw-away copy of the database: restored from a dump, on a network that leads nowhere, gone at the end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.database.commands import copies
from tasks.database.commands.copied import live_database, parse_live
from tasks.database.drill_host import dump_on, find_image, place_of
from tasks.database.engine.protocols import Login
from tasks.database.live import ask, backup_of, call, database_engine, login_of, not_running
from tasks.host.host_facts import NOT_RUNNING
from tasks.host.read import QUICK
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.protocols import Call
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.values.receipts import BackupReceipt
    from tasks.database.commands.copied import LiveDatabase
    from tasks.kernel.protocols import Host, Result
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
        network: Its network, which only leads to the copy.
        restore_errors: What could not be restored, one line each; empty: everything was.
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
        host: Where; None for the policy's drill host, else the dump's own.

    Raises:
        BrokenDumpError: The dump is gone, or its checksum is not the one it had.
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


def ask_copy(run: Run, copy: Copy, sql: str, database: str = "") -> list[list[str]]:
    """Ask a copy, or another database of its server; see `ask_live`."""
    argv = copies.inside(
        copy.container, database_engine(run).dumps.query(Login(copy.user, database or copy.database))
    )
    return ask(run, place_of(run, copy.host)[0], argv, sql, f"the copy {copy.container}")


def _refuse_own_command(run: Run) -> None:
    if not backup_of(run).built_in:
        raise TerminalError(
            f"the dumps of {run.environment} are made by backup.command: only {database_engine(run).name}'s own dumps "
            "can be drilled",
            "remove backup.command in pipeline.yaml, or set database.drill and database.rehearse to false",
        )


def _read_live(run: Run) -> LiveDatabase:
    there, backup = run.hosts[run.primary], backup_of(run)
    describe = database_engine(run).copies.describe(login_of(backup))
    result = there.run(call(live_database(run.pipeline, backup.service, describe), 60))
    if result.exit_code == NOT_RUNNING:
        raise not_running(run, there)
    try:
        return parse_live(result.stdout)
    except ValueError as error:
        raise TerminalError(
            f"the database on {there.name} cannot be described ({error}): {result.tail(2)}",
            f"a copy needs {database_engine(run).name} in a container; check backup.service in pipeline.yaml",
            result.tail(20),
        ) from None


def _start(run: Run, there: Host, container: str, live: LiveDatabase, backup: BackupReceipt) -> None:
    """Start an empty copy with the live database's roles, while the dump's checksum is compared."""
    with ThreadPoolExecutor(1) as beside:
        checking = beside.submit(copy_context().run, _check_dump, run, backup)
        _run_container(run, there, container, live, 2 * live.bytes + backup.bytes)
        checking.result()
    commands = database_engine(run).copies
    waiting = commands.ready(live.superuser, _READY_SECONDS)
    waited = there.run(call(copies.ready(container, waiting), 2 * _READY_SECONDS))
    if not waited.ok:
        raise TerminalError(
            f"the copy of the database on {there.name} did not start: {waited.tail(2)}",
            "fix the cause and retry; the live database was not touched",
            waited.tail(20),
        )
    taking = copies.inside(container, commands.take_roles(live.superuser))
    if there.name == run.primary:
        giving = ("docker", "exec", live.container, *commands.roles(_login(live), passwords=True))
        roles = there.run(call(copies.piped(giving, taking), _ROLES_SECONDS))
    else:
        roles = there.run(call(taking, _ROLES_SECONDS, _roles_of(run, live)))
    strange = [line for line in roles.stderr.splitlines() if "already exists" not in line]
    if strange:
        log().warning("%s: the copy lacks some of the roles: %s", there.name, strange[-1])


def _login(live: LiveDatabase) -> Login:
    return Login(live.user, live.database)


def _roles_of(run: Run, live: LiveDatabase) -> bytes:
    """Return the live database's roles without passwords: nobody logs in to a copy on another host."""
    roles = database_engine(run).copies.roles(_login(live), passwords=False)
    result = run.hosts[run.primary].run(Call(argv=("docker", "exec", live.container, *roles), limits=QUICK))
    if not result.ok:
        log().warning("the database's roles cannot be read: %s", result.tail(1))
    return result.stdout.encode()


def _run_container(run: Run, there: Host, container: str, live: LiveDatabase, needed_bytes: int) -> None:
    home, commands = there.name == run.primary, database_engine(run).copies
    argv = copies.start(
        container,
        f"{run.pipeline}/{run.environment}",
        live,
        service=backup_of(run).service,
        image=live.image if home else find_image(run, there, live),
        needed_bytes=needed_bytes,
        variables=commands.variables() if home else (),
        server=commands.server(live.settings),
    )
    result = there.run(call(argv, _START_SECONDS, None if home else commands.bare_variables(live)))
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
    result = there.run(call(copies.checksum(backup.path), backup_of(run).timeout))
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
    commands = database_engine(run).copies
    argv = copies.feed(path, copies.inside(container, commands.restore(live.superuser)))
    result = there.run(call(argv, backup_of(run).timeout))
    if not result.ok and "No space left on device" in result.stderr:
        raise TerminalError(
            f"the disk of {there.name} filled up while the dump was restored",
            "free some space, or name another host in database.drill_host",
        )
    errors = commands.restore_errors(result.stderr)
    if not result.ok and not errors:
        errors = (f"exit status {result.exit_code}: {result.tail(1)}",)
    log().info("%s: restored in %.1f s", there.name, result.seconds)
    return Copy(
        host=there.name,
        container=container,
        network=container,
        service=backup_of(run).service,
        user=live.superuser,
        database=live.database,
        restore_seconds=result.seconds,
        restore_errors=errors,
    )


def _clear(there: Host, container: str) -> None:
    """Remove a copy; what cannot be removed now is removed by the next one."""
    try:
        result = there.run(call(copies.clear(container), _CLEAR_SECONDS))
    except SluiceError as error:
        log().warning("the copy %s is left on %s: %s", container, there.name, error)
        return
    if not result.ok:
        log().warning("the copy %s is left on %s: %s", container, there.name, result.tail(1))
