"""What steps ask of a database engine: command lines and SQL as data, and what reads their answers. Pure.

An engine is a folder beside this file; each of its modules answers one of the protocols here. Commands run inside of
the database's container, of the live one or of a copy.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from tasks.database.commands.copied import LiveDatabase
from tasks.database.commands.drill import DatabaseFacts
from tasks.database.commands.shapes import DatabaseShape, Pair, Rows
from tasks.kernel.argv import Argv

if TYPE_CHECKING:
    from blocks.pipeline.sections import DatabaseRules
    from blocks.values.schema_changes import LintFinding, SchemaFinding
    from tasks.database.commands.names import Names

T = TypeVar("T")
Counters = dict[str, tuple[int, int, int]]
# Runs SQL in a database and returns the rows of all its results.
Ask = Callable[[str], Rows]


class UnreadableSqlError(ValueError):
    """The engine's parser does not take a text. The message says why, on one line."""


class Login(NamedTuple):
    """Who logs in, and to which database; empty for what the image was started with."""

    user: str = ""
    database: str = ""


@dataclass(frozen=True)
class Question(Generic[T]):
    """Something a database is asked.

    Attributes:
        sql: What it is asked, in one round trip.
        read: Reads the rows of all its results, fields as text; NULL is empty.
    """

    sql: str
    read: Callable[[Rows], T]

    def put(self, ask: Ask) -> T:
        """Return the answer of a database."""
        return self.read(ask(self.sql))


class SchemaFacts(NamedTuple):
    """What revision (several heads joined by a comma, sorted) and size in bytes a database has."""

    revision: str | None = None
    bytes: int | None = None


class DumpFacts(NamedTuple):
    """What is read of a database just before it is dumped.

    Attributes:
        revision: Its schema revision, several heads joined by a comma.
        counters: Table → rows inserted, updated and deleted, as its statistics count them.
    """

    revision: str | None = None
    counters: Counters = {}


class ColumnFacts(NamedTuple):
    """What migrations are judged on.

    Attributes:
        sizes: Table, without the schema that names have by default → bytes.
        types: `table.column` → the type, as the engine writes it.
    """

    sizes: Mapping[str, int] = {}
    types: Mapping[str, str] = {}


class TableFiles(NamedTuple):
    """What a migration may change beside the data.

    Attributes:
        revision: The schema revision.
        files: What is a table's own whatever it is called → its name, and what changes when it is rewritten.
    """

    revision: str | None
    files: Mapping[str, tuple[str, str]]


class Dumps(Protocol):
    """Dumps, and questions to a database."""

    def dump(self, login: Login) -> Argv:
        """Return the command that writes a dump to standard output."""

    def listing(self) -> Argv:
        """Return the command that lists what a dump on standard input holds, and fails where it is none."""

    def read_listing(self, text: str) -> tuple[int, int]:
        """Return how many entries, and how many tables among them, were listed."""

    def query(self, login: Login) -> Argv:
        """Return the command that runs SQL from standard input: one row a line, fields separated by tabs."""

    def refusal(self, stderr: str) -> str:
        """Return the line in which it said why it refused SQL; empty where there is none."""

    def other_databases(self, project: str, service: str, login: Login, env_files: Sequence[str]) -> Argv:
        """Return the command, on the host, whose lines `parse_others` reads: where the application's tables may be."""

    SCHEMA: Question[SchemaFacts]
    DUMP_FACTS: Question[DumpFacts]
    DATABASE_FACTS: Question[DatabaseFacts]
    COLUMN_FACTS: Question[ColumnFacts]


class Copies(Protocol):
    """A copy: a container of the live database's image with a server of its own.

    Attributes:
        RESTORE_TOOL: What a restore's complaints are told to come from.
    """

    RESTORE_TOOL: str

    def describe(self, login: Login) -> Argv:
        """Return the command that describes the live database, a `key=value` a line: see `parse_live`."""

    def variables(self) -> Argv:
        """Return the command, in the live container, that prints the variables a copy beside it is started with."""

    def bare_variables(self, live: LiveDatabase) -> bytes:
        """Return the variables a copy on another host is started with: no secrets, since nobody logs in there."""

    def server(self, settings: Mapping[str, str]) -> Argv:
        """Return how a copy's server is started: like the live one where it matters, else as fast as can be."""

    def ready(self, superuser: str, seconds: int) -> Argv:
        """Return the command that waits until a copy accepts logins over the network."""

    def roles(self, login: Login, *, passwords: bool) -> Argv:
        """Return the command that prints the live database's roles as SQL."""

    def take_roles(self, superuser: str) -> Argv:
        """Return the command that gives a copy the roles from standard input; those it has are changed."""

    def restore(self, superuser: str) -> Argv:
        """Return the command that restores a dump from standard input, the database with it."""

    def restore_errors(self, stderr: str) -> tuple[str, ...]:
        """Return what a restore complained about, a line each."""

    def duplicate(self, database: str, name: str) -> str:
        """Return the SQL that makes a second database like one that nobody is connected to but who asks."""


class Beside(Protocol):
    """Databases beside the live one in its own server: made, filled, and swapped for it by name.

    Each change is a text for `change`, and may be made twice.

    Attributes:
        MAKE: Makes an empty database like the live one; a half-filled one of the name goes first.
        KEEP: Keeps the live database as it is now under another name.
        SWAP: Gives the new database the live one's name, and the live one the old name: both or neither.
        PUT_BACK: Gives the database that was live before its name again, and removes what was not swapped.
        DROP: Removes what was kept.
    """

    MAKE: str
    KEEP: str
    SWAP: str
    PUT_BACK: str
    DROP: str

    def change(self, names: Names, login: Login) -> Argv:
        """Return the command that makes one of the changes, which it reads from standard input."""

    def fill(self, name: str, login: Login) -> Argv:
        """Return the command that restores a dump from standard input into an empty database."""

    def is_in_use(self, said: str) -> bool:
        """Say whether a change failed because somebody is connected: another try may do."""


class Comparison(Protocol):
    """The SQL that looks into two databases' rows without carrying them; see `tasks.database.loss`."""

    SHAPES: Question[dict[str, DatabaseShape]]

    def totals(self, compared: Sequence[Pair]) -> str:
        """Return SQL that answers `TABLE ROWS CHECKSUM`, TABLE as a position among those compared."""

    def groups(self, compared: Sequence[Pair], count: int) -> str:
        """Return SQL that answers `TABLE GROUP ROWS CHECKSUM`, the rows in so many groups by their key."""

    def rows(self, compared: Sequence[Pair], count: int, groups: Sequence[Sequence[int]]) -> str:
        """Return SQL that answers `TABLE KEY CHECKSUM` of each row in some of each table's groups."""

    def contents(self, shapes: Sequence[DatabaseShape], gone: Sequence[Pair]) -> str:
        """Return SQL that looks into whole tables, and into columns that have something in them.

        Args:
            shapes: The tables the other database lacks.
            gone: The tables of which it lacks columns.

        Returns:
            SQL that answers `TABLE COLUMN ROWS CHECKSUM`: see `contents_of`.
        """


class Locks(Protocol):
    """What bounds a migration's waiting, and what shows the locks it takes.

    Attributes:
        WATCH: Prints the locks on the application's tables again and again: seconds, transaction, mode, table.
        STOP_WATCH: Ends that.
        MODES: The modes that say something, strongest first.
    """

    WATCH: str
    STOP_WATCH: str
    MODES: tuple[str, ...]
    TABLE_FILES: Question[TableFiles]

    def limits(self, rules: DatabaseRules) -> dict[str, str]:
        """Return the variables that bound a migration's waiting for locks and each of its statements."""


@dataclass(frozen=True)
class SqlLinter:
    """A program on the control machine that has an opinion on files of SQL in its working folder.

    Attributes:
        argv: Returns how it is started.
        files: Further files it needs there, name → content.
        read: Reads its standard output; each finding with the name of its file.
    """

    name: str
    argv: Callable[[], Argv]
    files: Mapping[str, str]
    read: Callable[[str], list[tuple[str, LintFinding]]]


class Judge(Protocol):
    """What the SQL of a migration means for the release that runs."""

    LINTER: SqlLinter | None

    def comments(self, text: str) -> list[tuple[int, int]]:
        """Return start and end of each comment of one line, so that none within a string is taken for one.

        Raises:
            UnreadableSqlError: The text cannot be taken apart.
        """

    def check(self, text: str) -> None:
        """See that a text is SQL.

        Raises:
            UnreadableSqlError: It is not.
        """

    def existing_types(self, module: ast.Module) -> Mapping[str, str]:
        """Return what an Alembic revision says of the types before it, `table.column` → type."""

    def findings(
        self,
        sql: str,
        *,
        revision: str,
        facts: ColumnFacts,
        in_transaction: bool,
        lint: Sequence[LintFinding],
    ) -> Iterable[SchemaFinding]:
        """Return what a migration's statements do, in their order; nothing where all of them are harmless.

        Args:
            lint: The linter's findings; they can only make a verdict worse.

        Raises:
            UnreadableSqlError: The SQL cannot be read, so that nothing is known of it.
        """


@dataclass(frozen=True)
class DatabaseEngine:
    """A kind of database server."""

    name: str
    dumps: Dumps
    copies: Copies
    beside: Beside
    comparison: Comparison
    locks: Locks
    judge: Judge
