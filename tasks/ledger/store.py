"""The ledger: one object that holds the connection, and one attribute per thing it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tasks.kernel.errors import TerminalError, TransientError
from tasks.ledger.approvals import ApprovalRows
from tasks.ledger.database import Database
from tasks.ledger.deliveries import Deliveries
from tasks.ledger.drift import Drift
from tasks.ledger.holds import Holds
from tasks.ledger.journal import Steps
from tasks.ledger.leases import Leases
from tasks.ledger.promotions import Promotions
from tasks.ledger.receipts import Backups, Drills, Rehearsals
from tasks.ledger.relaxations import Relaxations
from tasks.ledger.releases import Releases
from tasks.ledger.schema import ensure_schema
from tasks.ledger.starts import Starts

if TYPE_CHECKING:
    from types import TracebackType


class Ledger:
    """The database of releases, promotions, steps, approvals, backups, proofs, leases, holds, drift and deliveries.

    Threads may share one; other processes open their own. Every call is one short transaction and may raise
    `TransientError` when the database does not answer. Use `Ledger.open`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.releases = Releases(database)
        self.promotions = Promotions(database)
        self.steps = Steps(database)
        self.approvals = ApprovalRows(database)
        self.backups = Backups(database)
        self.leases = Leases(database)
        self.holds = Holds(database)
        self.drills = Drills(database)
        self.rehearsals = Rehearsals(database)
        self.drift = Drift(database)
        self.deliveries = Deliveries(database)
        self.starts = Starts(database)
        self.relaxations = Relaxations(database)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open a ledger, made or migrated first where that is needed.

        Args:
            url: `sqlite:////folder/ledger.db` or `postgresql://user:password@host/database`.

        Raises:
            TerminalError: The URL is wrong, the database does not answer, or its schema is newer than this
                version of Sluice.
        """
        database = Database(url)
        try:
            ensure_schema(database)
        except TransientError as error:
            database.close()
            todo = "start the database, or correct the ledger's URL (SLUICE_LEDGER_URL)"
            raise TerminalError(error.what, todo, error.detail) from error
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close the connections. A closed ledger opens them again when it is used."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the ledger, to be closed at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the ledger."""
        self.close()
