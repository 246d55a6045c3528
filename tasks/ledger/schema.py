"""Brings the ledger's own schema to the version this code knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import column, func, inspect, select, table

from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.poll import poll
from tasks.ledger.models import HEAD, VERSION_TABLE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tasks.ledger.database import Database

# Any number will do, as long as every version of Sluice takes the same.
_LOCK = 0x51_01_CE
_LOCK_WAIT = "60s"
_WAL_SECONDS = 30.0


def ensure_schema(database: Database) -> None:
    """Migrate a ledger to the newest schema. Two processes may do so at once; one finds nothing to do.

    Raises:
        TransientError: The database did not answer.
        TerminalError: The schema is newer than this version of Sluice.
    """
    with database.reading() as connection:
        found = _version(connection)
    if found == HEAD:
        return
    if database.is_sqlite:
        _ensure_wal(database)
    with database.writing() as connection:
        _migrate(connection, database.where)


def _migrate(connection: Connection, where: str) -> None:
    if connection.dialect.name == "postgresql":
        # SQLite took its write lock when the transaction began.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    # Alembic costs a tenth of a second, which a ledger that is up to date need not pay.
    from tasks.ledger import migrate

    found = _version(connection)
    if found is not None and found not in migrate.known():
        raise TerminalError(
            f"{where} has schema {found}, newer than this version of Sluice knows ({HEAD})",
            "update Sluice on this machine",
        )
    migrate.upgrade(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()


def _ensure_wal(database: Database) -> None:
    """Switch the journal mode, which needs a moment alone, against others who open the file right now."""
    poll(
        database.let_readers_in,
        lambda _: True,
        seconds=_WAL_SECONDS,
        every=0.05,
        cured=(TransientError,),
    )
