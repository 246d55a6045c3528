"""What was proven on a copy of the database: that a dump restores, and what runs on the migrated schema."""

from __future__ import annotations

from datetime import datetime

from pydantic import model_validator

from blocks.values.base import Value
from blocks.values.releases import Revision

NO_TABLE = "the dump has no table: it may be of another database than the application's"


class Rendered(Value):
    """What a migration tool printed.

    Attributes:
        text: Its standard output: SQL, with a line before each migration that says where it goes.
        exit_code: Its exit status; SQL before a failure can look whole and is not.
    """

    text: str
    exit_code: int
    reason: str = ""


NO_SQL_COMMAND = Rendered(
    text="", exit_code=1, reason="the tool has no `migration.sql` command that prints its SQL"
)


class AskedOnCopy(Value):
    """What a tool that must ask the database told on a copy; `pending` is None where it could not tell."""

    pending: tuple[Revision, ...] | None
    why: str = ""
    rendered: Rendered


class DrillReceipt(Value):
    """A dump that was restored into a throw-away database and compared with the live one.

    Attributes:
        extensions: The restored database's extensions, `name version`, sorted.
        why_empty: Why it is right that no table was restored; empty where there are some, or nobody could say.
        differences: What differs in a way that a dump of a living database does not explain, one line each;
            empty: the dump is proven.
        notes: What a person may want to know, one line each (rows written since the dump, …).
        restore_seconds: How long the restore took: the environment's stated recovery time.
        seconds: How long the whole drill took.
    """

    host: str
    backup_path: str
    backup_sha256: str
    tables: int
    rows: int
    extensions: tuple[str, ...] = ()
    revision: str | None = None
    why_empty: str = ""
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    restore_seconds: float
    seconds: float
    drilled_at: datetime

    @property
    def passed(self) -> bool:
        """True when nothing differs."""
        return not self.differences

    @model_validator(mode="before")
    @classmethod
    def _nothing_proves_nothing(cls, values: object) -> object:
        """Take a drill without a table for what it is: before that was a difference, such drills were recorded too."""
        if isinstance(values, dict) and values.get("tables") == 0:
            told = values.get("differences") or values.get("why_empty")
            return values if told else {**values, "differences": (NO_TABLE,)}
        return values


class LockFact(Value):
    """A lock the migration held while it was rehearsed.

    Attributes:
        mode: PostgreSQL's name of the lock mode, such as AccessExclusiveLock.
        seconds: For how long it was seen held, at most.
    """

    table: str
    mode: str
    seconds: float


class HealthProof(Value):
    """Whether a release's services became healthy on the migrated copy; None where it could not be tried."""

    release_id: str
    services: tuple[str, ...] = ()
    passed: bool | None
    reason: str = ""
    seconds: float = 0.0


class RehearsalReceipt(Value):
    """The pending migration, run on a copy of the database before anybody is asked.

    Attributes:
        locks: The locks it was seen to hold on tables of the application, strongest first.
        rewritten: Tables whose files were written anew, sorted.
        old: The running release on the migrated copy: the proof that a code-only rollback works.
        asked: What the tool told there before it migrated; None where it was not asked.
        seconds: How long the whole rehearsal took, drill included.
    """

    host: str
    release_id: str
    running_release_id: str | None
    revision_before: str | None
    revision_after: str | None
    migrated: bool
    reason: str = ""
    migrate_seconds: float
    locks: tuple[LockFact, ...] = ()
    rewritten: tuple[str, ...] = ()
    new: HealthProof | None = None
    old: HealthProof | None = None
    drill: DrillReceipt
    asked: AskedOnCopy | None = None
    seconds: float
    rehearsed_at: datetime

    @property
    def proves_return(self) -> bool:
        """True when the release that ran before is known to run on the migrated schema."""
        return self.migrated and self.old is not None and self.old.passed is True


class TableLoss(Value):
    """What a restore would lose in one table.

    Attributes:
        table: Schema and name.
        inserted: Rows written since the dump, which would be gone.
        updated: Rows changed since, which would have their old content.
        deleted: Rows deleted since, which would be back.
    """

    table: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def rows(self) -> int:
        """All of them together."""
        return self.inserted + self.updated + self.deleted


class LossReport(Value):
    """What is lost when a dump is restored over the live database.

    Attributes:
        source: `copy` when the rows were compared with a restored copy, `statistics` when PostgreSQL's counters
            were read (an upper bound that knows nothing of a counter reset).
    """

    backup_path: str
    taken_at: datetime
    source: str
    tables: tuple[TableLoss, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The rows of all tables together."""
        return sum(table.rows for table in self.tables)
