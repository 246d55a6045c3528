"""What revision and size the live database has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tasks.database.commands.copied import parse_rows
from tasks.database.engine.protocols import ColumnFacts, SchemaFacts
from tasks.database.engines import engine_of, judge_of
from tasks.database.live import ask_live, database_engine, login_of, within
from tasks.host.host_facts import NOT_RUNNING
from tasks.host.read import QUICK
from tasks.kernel.errors import SluiceError
from tasks.kernel.logs import log
from tasks.kernel.protocols import Call

if TYPE_CHECKING:
    from tasks.database.engine.protocols import DatabaseEngine
    from tasks.kernel.protocols import Host, Result
    from tasks.steps.run import Run
    from tasks.steps.site import Site


def read_schema(run: Run, host: Host) -> tuple[bool, str | None, int | None]:
    """Read the database's schema revision and size from its container.

    Returns:
        Whether the database's container runs, its revision and its size in bytes.
    """
    result = _ask(run, host, database_engine(run))
    if result is None or result.exit_code == NOT_RUNNING:
        return False, None, None
    if not result.ok:
        log().warning(
            "%s: the database does not answer questions about its schema: %s", host.name, result.tail(2)
        )
        return True, None, None
    return True, *_read(database_engine(run), result)


def read_applied(site: Site, host: Host) -> tuple[str, ...] | None:
    """Ask the database of an environment whose commit is not known which migrations it stands at.

    Returns:
        The revisions, sorted; None where the database does not answer or keeps none in Alembic's way.
    """
    result = _ask(site, host, engine_of(None))
    revision = _read(engine_of(None), result).revision if result is not None and result.ok else None
    return tuple(revision.split(",")) if revision else None


def _ask(site: Site, host: Host, asked: DatabaseEngine) -> Result | None:
    """Ask; None where no dumps of ours are taken."""
    backup = site.policy.backup
    if backup is None or not backup.built_in:
        return None
    argv = within(site, asked.dumps.query(login_of(backup)))
    return host.run(Call(argv=argv, stdin=asked.dumps.SCHEMA.sql.encode(), limits=QUICK))


def _read(asked: DatabaseEngine, result: Result) -> SchemaFacts:
    return asked.dumps.SCHEMA.read(parse_rows(result.stdout))


def read_columns(run: Run) -> ColumnFacts:
    """Read sizes and types of the live database; without them the verdicts are stricter, and stand too.

    Returns:
        Nothing where no engine judges its migrations, its dumps are not ours, or it does not answer.
    """
    migration, backup = run.description.migration, run.policy.backup
    judge = judge_of(migration) if migration else None
    if judge is None or backup is None or not backup.built_in:
        return ColumnFacts()
    try:
        return judge.dumps.COLUMN_FACTS.put(partial(ask_live, run))
    except (SluiceError, ValueError) as error:
        log().warning("sizes and types of the tables are not known: %s", error)
        return ColumnFacts()
