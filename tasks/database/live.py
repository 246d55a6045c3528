"""The live database: how it is reached in its service's container, and asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.database.commands.copied import parse_rows
from tasks.database.engine.protocols import Login
from tasks.database.engines import engine_of
from tasks.host.host_facts import IN_SERVICE, NOT_RUNNING
from tasks.host.scripts import script
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, Limits

if TYPE_CHECKING:
    from blocks.pipeline import Backup
    from tasks.database.engine.protocols import DatabaseEngine
    from tasks.kernel.argv import Argv
    from tasks.kernel.protocols import Host
    from tasks.steps.run import Run
    from tasks.steps.site import Site


def database_engine(run: Run) -> DatabaseEngine:
    """Return the engine of a run's database."""
    return engine_of(run.description.migration)


def backup_of(site: Site) -> Backup:
    """Return what the policy says of dumps."""
    if site.policy.backup is None:
        raise TerminalError(
            f"{site.environment} has no backup, so there is nothing to copy", "add backup to pipeline.yaml"
        )
    return site.policy.backup


def login_of(backup: Backup) -> Login:
    """Return who dumps the database."""
    return Login(backup.user or "", backup.database or "")


def within(site: Site, argv: Argv) -> Argv:
    """Return the command, on the host, that runs another in the database's container.

    Its exit status is `NOT_RUNNING` where there is no such container.
    """
    return script(IN_SERVICE, "sluice-service", site.pipeline, backup_of(site).service, *argv)


def call(argv: Argv, seconds: float, stdin: bytes | None = None) -> Call:
    """Return a command that changes nothing and may take so long, silent or not."""
    return Call(argv=argv, stdin=stdin, limits=Limits(total_seconds=seconds, idle_seconds=seconds))


def ask_live(run: Run, sql: str, database: str = "") -> list[list[str]]:
    """Ask the live database, or another one of its server.

    Args:
        sql: What it is asked; fields of the answer hold no tabs or line ends.

    Returns:
        The rows of all its results, fields as text; NULL is empty.
    """
    login = login_of(backup_of(run))
    argv = within(run, database_engine(run).dumps.query(Login(login.user, database or login.database)))
    return ask(run, run.hosts[run.primary], argv, sql, database or "the database")


def ask(run: Run, there: Host, argv: Argv, sql: str, whom: str) -> list[list[str]]:
    """Ask a database by the command that runs SQL in it; see `ask_live`."""
    result = there.run(call(argv, backup_of(run).timeout, sql.encode()))
    if result.exit_code == NOT_RUNNING:
        raise not_running(run, there)
    if not result.ok:
        said = database_engine(run).dumps.refusal(result.stderr) or result.tail(2)
        raise TerminalError(
            f"{whom} on {there.name} refused a question: {said}",
            "look at the database and its log, then retry this run",
            result.tail(20),
        )
    return parse_rows(result.stdout)


def not_running(site: Site, there: Host) -> TerminalError:
    """Return the error that the database's container does not run."""
    return TerminalError(
        f"no container of service {backup_of(site).service} runs on {there.name}",
        "start the database there (or correct backup.service in pipeline.yaml), then retry this run",
    )
