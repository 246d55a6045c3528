"""The connection: how it is made on each database, its transactions, and what its troubles mean."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.kernel.errors import SluiceError, TerminalError, TransientError
from tasks.ledger.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

BUSY_SECONDS = 30.0
CONNECT_SECONDS = 10

_EXAMPLES = "use sqlite:////folder/ledger.db or postgresql://user:password@host/database"
_POSTGRESQL = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
_READS = "ledger_reads"

# What another try, or a person freeing the disk, may cure. Anything else SQLite reports as operational
# ("no such table", "readonly database") stays as it is.
_CURABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_creating = threading.Lock()


class Database:
    """One ledger database. Threads may share it.

    Raises:
        TerminalError: The URL is not one of these, or the SQLite file cannot be made.
    """

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.where = f"the ledger at {_shown(self.url)}"
        # SQLite lets writers try again after ever longer pauses; threads of one process can queue instead.
        self._turn = threading.Lock()
        self._engine = _sqlite_engine(self.url) if self.is_sqlite else _postgresql_engine(self.url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        with self._transaction(reads=True) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes; it is committed at the end, and undone by an error.

        Raises:
            Conflict: A unique or foreign key would be broken.
            TransientError: The database did not answer.
            TerminalError: It refused.
        """
        with self._transaction(reads=False) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, reads: bool) -> Iterator[Connection]:
        with (
            self._explaining(),
            nullcontext() if reads or not self.is_sqlite else self._turn,
            self._engine.connect().execution_options(**{_READS: reads}) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise explained(error, self.where) from error

    def let_readers_in(self) -> None:
        """Let readers of a SQLite file work beside a writer. The mode stays in the file.

        Raises:
            TransientError: Somebody else uses the file at this moment.
        """
        with self._explaining(), closing(self._engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA journal_mode = WAL")

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def explained(error: Exception, where: str) -> SluiceError:
    """Say what a database error means, in one line without password, statement or parameter."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    said, detail = lines[0].strip(), "\n".join(lines[1:])
    if isinstance(error, IntegrityError):
        return Conflict(f"{where} refused a row: {said}", detail=detail)
    if _is_curable(error, cause):
        return TransientError(f"{where} did not answer: {said}", "check the database, then try again", detail)
    return TerminalError(f"{where} failed: {said}", "run `sluice doctor`", detail)


def _is_curable(error: Exception, cause: object) -> bool:
    if isinstance(cause, sqlite3.Error):
        # Errors the Python module raises by itself carry no code.
        return getattr(cause, "sqlite_errorcode", -1) & 0xFF in _CURABLE
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout)


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The cause would quote the URL, password included.
        raise TerminalError("the ledger's URL cannot be read", _EXAMPLES) from None
    if url.drivername in _POSTGRESQL:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in _SQLITE:
        raise TerminalError(f"the ledger's URL names {url.drivername}, which is not supported", _EXAMPLES)
    if url.database in {None, "", ":memory:"} or str(url.database).startswith("file:"):
        raise TerminalError("the ledger's URL names no file, so nothing would be kept", _EXAMPLES)
    return url.set(drivername="sqlite")


def _shown(url: URL) -> str:
    """Return what a message may show: never the password, which may stand in the query too."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}, drivername="postgresql").render_as_string(hide_password=True)


def _postgresql_engine(url: URL) -> Engine:
    # A peer that vanished is noticed within half a minute: a lease must be renewed or known as lost.
    patience = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 30_000, "keepalives_idle": 10}
    given = {name: value for name, value in patience.items() if name not in url.query}
    return create_engine(url, connect_args=given, pool_pre_ping=True, hide_parameters=True)


def _sqlite_engine(url: URL) -> Engine:
    _ensure_file(Path(str(url.database)))
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401
    # Python's module would open transactions late and by its own rules; `_on_begin` does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _on_begin(connection: Connection) -> None:
    """Take the write lock at the start: a read that turns into a write fails at once when another writes."""
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _ensure_file(path: Path) -> None:
    """Make the file, readable by its owner only; SQLite gives its side files the same mode."""
    try:
        # Closing a file that another thread has open in SQLite would drop that thread's locks.
        with _creating:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                path.touch(mode=0o600)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            with suppress(PermissionError):  # another user's file: its owner decides
                path.chmod(0o600)
    except OSError as error:
        raise TerminalError(
            f"the ledger's file {path} cannot be made: {error.strerror}",
            "fix the folder's permissions, or set SLUICE_LEDGER_URL to another place",
        ) from error
