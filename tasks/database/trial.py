"""Running a migration command on a copy of the database, and seeing what it does there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from blocks.values.evidence import NO_SQL_COMMAND, AskedOnCopy, LockFact, Rendered
from tasks.database.commands import locks
from tasks.database.commands.copies import inside
from tasks.database.copies import ask_copy
from tasks.database.engine.protocols import Login, TableFiles
from tasks.database.isolated_release import clear, set_aside
from tasks.database.live import call, database_engine
from tasks.host.alembic import parse_pending
from tasks.host.confined import MOST_BYTES, MOST_SECONDS, TOO_MUCH
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.logs import log
from tasks.kernel.redact import reason_line
from tasks.steps.run import Run

if TYPE_CHECKING:
    from blocks.pipeline import Migration
    from tasks.database.copies import Copy
    from tasks.database.isolated_release import Aside, IsolatedServices
    from tasks.host.compose import ComposeProject
    from tasks.kernel.protocols import Result


class TrialOutcome(NamedTuple):
    """How a command on a copy ended."""

    ok: bool
    reason: str
    seconds: float


@dataclass(frozen=True)
class Trial:
    """One try on a copy of the database, with all that it leaves on the host.

    Attributes:
        mark: What tells its containers from all others.
    """

    run: Run
    host: str
    mark: str
    folder: str

    @classmethod
    def of(cls, run: Run, host: str, name: str) -> Trial:
        """Return the try of a name on a host."""
        mark = f"{run.pipeline}-rehearsal-{name}".lower()
        return cls(run, host, mark, f"{run.directories[host]}/rehearsals/{name}")

    def clear(self) -> None:
        """Remove what it left, and what killed ones left days ago."""
        clear(self.run.hosts[self.host], mark=self.mark, folder=self.folder)

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Clear it at the end; what cannot be removed now is removed by the next one."""
        try:
            yield
        finally:
            try:
                self.clear()
            except SluiceError as error:
                log().warning("%s", error)

    def set_aside(self, copy: Copy, described: IsolatedServices, role: str) -> Aside:
        """Make a release ready to be started beside the live one."""
        return set_aside(self.run, copy, described, mark=self.mark, role=role, folder=self.folder)


def run_aside(
    run: Run,
    copy: Copy,
    project: ComposeProject,
    migration: Migration,
    words: tuple[str, ...],
    *,
    container: str,
) -> TrialOutcome:
    """Run a migration command on a copy of the database."""
    argv = project.run_once(
        migration.service,
        words,
        name=container,
        no_deps=True,
        env=database_engine(run).locks.limits(run.policy.database),
    )
    began = time.monotonic()
    try:
        result = run.hosts[copy.host].run(call(argv, migration.timeout), on_line=log().info)
    except TerminalError as error:
        return TrialOutcome(ok=False, reason=reason_line(error.what), seconds=time.monotonic() - began)
    return TrialOutcome(ok=result.ok, reason=_why(result), seconds=result.seconds)


def _why(result: Result) -> str:
    """Return why a command failed, one line; empty where it did not."""
    return "" if result.ok else reason_line(result.reason()) or f"it ended with status {result.exit_code}"


def ask_aside(trial: Trial, copy: Copy, new: Aside) -> AskedOnCopy | None:
    """Ask a tool other than Alembic, on a copy of the database, which migrations are pending and what they do.

    Returns:
        What it told; None where the release has no command that asks it.
    """
    migration = trial.run.description.migration
    if migration is None or migration.revisions is None:
        return None
    said = _answer(trial, copy, new, migration.revisions, "pending")
    if said.exit_code != 0:
        return AskedOnCopy(pending=None, why=said.reason, rendered=NO_SQL_COMMAND)
    pending = parse_pending(said.text)
    if not pending or migration.sql is None:
        return AskedOnCopy(pending=pending, rendered=NO_SQL_COMMAND)
    return AskedOnCopy(pending=pending, rendered=_answer(trial, copy, new, migration.sql, "sql"))


def _answer(trial: Trial, copy: Copy, new: Aside, words: tuple[str, ...], what: str) -> Rendered:
    migration = trial.run.description.migration
    if migration is None:
        raise RuntimeError("there is no migration to ask about")
    name = f"{trial.mark}-{what}"
    argv = new.project.run_once(migration.service, words, name=name, no_deps=True)
    seconds = min(migration.timeout, MOST_SECONDS)
    try:
        result = trial.run.hosts[copy.host].run(call(argv, seconds))
    except TerminalError as error:
        return Rendered(text="", exit_code=1, reason=reason_line(error.what))
    if len(result.stdout.encode()) > MOST_BYTES:
        return Rendered(text="", exit_code=1, reason=TOO_MUCH)
    return Rendered(text=result.stdout, exit_code=result.exit_code, reason=_why(result))


@contextmanager
def watched(run: Run, copy: Copy) -> Iterator[Callable[[], tuple[LockFact, ...]]]:
    """Watch a copy's locks while something is done to it."""
    seconds = 2 * _longest(run)
    commands = database_engine(run).locks
    query = database_engine(run).dumps.query(Login(copy.user, copy.database))
    argv = locks.watch(inside(copy.container, query))
    watch = call(argv, seconds, commands.WATCH.encode())
    with ThreadPoolExecutor(1) as beside:
        watching = beside.submit(copy_context().run, run.hosts[copy.host].run, watch)
        try:
            yield lambda: locks.parse_locks(watching.result().stdout, commands.MODES)
        finally:
            ask_copy(run, copy, commands.STOP_WATCH)


def _longest(run: Run) -> float:
    migration = run.description.migration
    return (migration.timeout if migration else 0.0) + run.policy.timeouts.up + 60


def read_state(run: Run, copy: Copy) -> TableFiles:
    """Read what a migration may change beside the data."""
    return database_engine(run).locks.TABLE_FILES.put(partial(ask_copy, run, copy))
