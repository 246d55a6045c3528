"""A database engine in memory, SQLite behind commands of its own, and a host that runs them.

It is a second engine as far as the protocols go: its dumps, its SQL and its commands are none of PostgreSQL's.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from blocks.pipeline.sections import DatabaseRules
from blocks.values.schema_changes import LintFinding, Risk, SchemaFinding
from tasks.database.commands.copied import LiveDatabase
from tasks.database.commands.drill import DatabaseFacts, TableFact
from tasks.database.commands.names import Names
from tasks.database.commands.shapes import DatabaseShape, Pair, Rows
from tasks.database.engine.protocols import (
    ColumnFacts,
    DatabaseEngine,
    DumpFacts,
    Login,
    Question,
    SchemaFacts,
    SqlLinter,
    TableFiles,
    UnreadableSqlError,
)
from tasks.kernel.argv import Argv
from tasks.kernel.protocols import Call, LineSink, Result
from tests.fakes.host import FakeHost

BEGIN, END = b"fake dump\n", b"-- end of the dump\n"
VERSIONS = "alembic_version"
WAIT_VARIABLE = "FAKE_MOST_WAIT"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _checksum(*values: object) -> int:
    return zlib.crc32(repr(values).encode())


@dataclass
class FakeServer:
    """A server with its databases.

    Attributes:
        databases: Name → the database.
        locked: The tables that somebody holds a lock on.
        busy: How many more changes of names meet a client that is connected.
    """

    databases: dict[str, sqlite3.Connection] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)
    busy: int = 0
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def create(self, name: str, script: str = "") -> sqlite3.Connection:
        made = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        made.create_function("checksum", -1, _checksum, deterministic=True)
        self.databases[name] = made
        made.executescript(script)
        return made

    def execute(self, argv: Argv, stdin: bytes, env: Mapping[str, str]) -> tuple[int, bytes, str]:
        """Run a command inside of the server's container."""
        with self._one_at_a_time:
            try:
                return 0, self._execute(argv, stdin, env), ""
            except (sqlite3.Error, KeyError, ValueError) as error:
                return 1, b"", f"fake: error: {error}\n"

    def _execute(self, argv: Argv, stdin: bytes, env: Mapping[str, str]) -> bytes:
        match argv:
            case ("fakedb", "dump", _, database):
                return BEGIN + _script(self.databases[database or "store"]).encode() + END
            case ("fakedb", "list"):
                return "".join(f"{line}\n" for line in _read_dump(stdin).splitlines()).encode()
            case ("fakedb", "query", _, database):
                return self._query(self.databases[database or "store"], stdin.decode(), env)
            case ("fakedb", "describe", *_):
                return b"user=me\ndatabase=store\nsuperuser=root\nbytes=4096\n"
            case ("fakedb", "restore"):
                self.create("store", _read_dump(stdin))
            case ("fakedb", "fill", name):
                self.create(name, _read_dump(stdin))
            case ("fakedb", "change", new, old, bad):
                self._change(stdin.decode(), new, old, bad)
            case ("fakedb", "nothing"):
                pass
            case _:
                raise ValueError(f"there is no command {argv}")
        return b""

    def _query(self, database: sqlite3.Connection, text: str, env: Mapping[str, str]) -> bytes:
        if text.startswith("\\duplicate "):
            first, second = json.loads(text.removeprefix("\\duplicate "))
            self.create(second, _script(self.databases[first]))
            return b""
        if text.startswith("\\"):
            return _lines(_META[text.strip()](database))
        if any(table in text for table in self.locked):
            if WAIT_VARIABLE not in env:
                raise ValueError("it waited until somebody killed it")
            raise ValueError("canceling statement due to lock timeout")
        rows: list[tuple[object, ...]] = []
        for statement in _statements(text):
            rows += database.execute(statement).fetchall()
        return _lines(rows)

    def _change(self, what: str, new: str, old: str, bad: str) -> None:
        if self.busy:
            self.busy -= 1
            raise ValueError("somebody is connected")
        there = self.databases
        if what == "make":
            self.create(new)
        elif what == "keep" and old not in there:
            self.create(old, _script(there["store"]))
        elif what == "swap" and old not in there:
            there[old], there["store"] = there["store"], there.pop(new)
        elif what == "put back":
            if old in there:
                there[bad], there["store"] = there["store"], there.pop(old)
            there.pop(new, None)
            there.pop(bad, None)
        elif what == "drop":
            for name in (new, old, bad):
                there.pop(name, None)


def _script(database: sqlite3.Connection) -> str:
    """Write a database as SQL; `iterdump` stumbles over quotes in names."""
    text = ""
    for name in _tables(database):
        (made,) = database.execute("select sql from sqlite_master where name = ?", (name,)).fetchone()
        columns = [column[1] for column in database.execute(f"pragma table_info({quoted(name)})")]
        values = ", ".join(f"quote({quoted(column)})" for column in columns)
        rows = database.execute(f"select {values} from {quoted(name)}")
        text += f"{made};\n"
        text += "".join(f"INSERT INTO {quoted(name)} VALUES ({', '.join(row)});\n" for row in rows)
    return text


def _read_dump(content: bytes) -> str:
    if not content.startswith(BEGIN):
        raise ValueError("this is no archive")
    if not content.endswith(END):
        raise ValueError("the archive ends too early")
    return content.decode().removeprefix(BEGIN.decode())


def _statements(text: str) -> Iterator[str]:
    seen = ""
    for piece in text.split(";"):
        seen += f"{piece};"
        if sqlite3.complete_statement(seen):
            if seen.strip("; \n"):
                yield seen.strip()
            seen = ""


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    fields = (["" if one is None else str(one) for one in row] for row in rows)
    return "".join("\t".join(row) + "\n" for row in fields).encode()


def _tables(database: sqlite3.Connection) -> list[str]:
    listed = database.execute("select name from sqlite_master where type = 'table' order by name")
    return [name for (name,) in listed]


def _revisions(database: sqlite3.Connection) -> list[str]:
    there = VERSIONS in _tables(database)
    return [one for (one,) in database.execute(f"select version_num from {VERSIONS}")] if there else []


def _facts(database: sqlite3.Connection) -> list[tuple[object, ...]]:
    counts = {
        name: database.execute(f"select count(*) from {quoted(name)}").fetchone()[0]
        for name in _tables(database)
    }
    return [(json.dumps({"tables": counts, "revisions": _revisions(database)}),)]


def _shapes(database: sqlite3.Connection) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for name in _tables(database):
        if name != VERSIONS:
            columns = database.execute(f"pragma table_info({quoted(name)})").fetchall()
            told = {
                "name": quoted(name),
                "columns": {column[1]: column[4] for column in columns},
                "key": [column[1] for column in columns if column[5]],
            }
            found.append((json.dumps(told),))
    return found


_META = {"\\facts": _facts, "\\shapes": _shapes}


def _told(rows: Rows) -> tuple[dict[str, int], str | None]:
    facts = json.loads(rows[0][0])
    return facts["tables"], ",".join(sorted(facts["revisions"])) or None


def _database_facts(rows: Rows) -> DatabaseFacts:
    tables, revision = _told(rows)
    return DatabaseFacts(
        tables={name: TableFact("table", rows=count) for name, count in tables.items()}, revision=revision
    )


class FakeDumps:
    """See `tasks.database.engine.Dumps`."""

    SCHEMA = Question("\\facts", lambda rows: SchemaFacts(_told(rows)[1], 4096))
    DUMP_FACTS = Question("\\facts", lambda rows: DumpFacts(_told(rows)[1]))
    DATABASE_FACTS = Question("\\facts", _database_facts)
    COLUMN_FACTS = Question("\\facts", lambda _: ColumnFacts())

    def dump(self, login: Login) -> Argv:
        return ("fakedb", "dump", *login)

    def listing(self) -> Argv:
        return ("fakedb", "list")

    def read_listing(self, text: str) -> tuple[int, int]:
        lines = text.splitlines()
        return len(lines), sum(line.upper().startswith("CREATE TABLE") for line in lines)

    def query(self, login: Login) -> Argv:
        return ("fakedb", "query", *login)

    def refusal(self, stderr: str) -> str:
        return stderr.splitlines()[-1] if stderr else ""

    def other_databases(self, project: str, service: str, login: Login, env_files: Sequence[str]) -> Argv:
        return ("echo", "dumped\tstore\t0\tthis server")


class FakeCopies:
    """See `tasks.database.engine.Copies`."""

    RESTORE_TOOL = "fakedb"

    def describe(self, login: Login) -> Argv:
        return ("fakedb", "describe", *login)

    def variables(self) -> Argv:
        return ("fakedb", "nothing")

    def bare_variables(self, live: LiveDatabase) -> bytes:
        return b""

    def server(self, settings: Mapping[str, str]) -> Argv:
        return ()

    def ready(self, superuser: str, seconds: int) -> Argv:
        return ("fakedb", "nothing")

    def roles(self, login: Login, *, passwords: bool) -> Argv:
        return ("fakedb", "nothing")

    def take_roles(self, superuser: str) -> Argv:
        return ("fakedb", "nothing")

    def restore(self, superuser: str) -> Argv:
        return ("fakedb", "restore")

    def restore_errors(self, stderr: str) -> tuple[str, ...]:
        return tuple(line.removeprefix("fake: error: ") for line in stderr.splitlines())

    def duplicate(self, database: str, name: str) -> str:
        return "\\duplicate " + json.dumps([database, name])


class FakeBeside:
    """See `tasks.database.engine.Beside`."""

    MAKE, KEEP, SWAP, PUT_BACK, DROP = "make", "keep", "swap", "put back", "drop"

    def change(self, names: Names, login: Login) -> Argv:
        return ("fakedb", "change", names.new, names.old, names.bad)

    def fill(self, name: str, login: Login) -> Argv:
        return ("fakedb", "fill", name)

    def is_in_use(self, said: str) -> bool:
        return "somebody is connected" in said


class FakeComparison:
    """See `tasks.database.engine.Comparison`."""

    SHAPES = Question(
        "\\shapes",
        lambda rows: {
            shape.name: shape for shape in (DatabaseShape.model_validate_json(row[0]) for row in rows)
        },
    )

    def totals(self, compared: Sequence[Pair]) -> str:
        return "".join(
            f"select {at}, count(*), coalesce(sum({self._row(pair)}), 0) from {pair.name};"
            for at, pair in enumerate(compared)
        )

    def groups(self, compared: Sequence[Pair], count: int) -> str:
        return "".join(
            f"select {at}, {self._key(pair)} % {count}, count(*), sum({self._row(pair)}) from {pair.name} group by 2;"
            for at, pair in enumerate(compared)
        )

    def rows(self, compared: Sequence[Pair], count: int, groups: Sequence[Sequence[int]]) -> str:
        return "".join(
            f"select {at}, {self._key(pair)}, {self._row(pair)} from {pair.name} "
            f"where {self._key(pair)} % {count} in ({', '.join(map(str, groups[at]))});"
            for at, pair in enumerate(compared)
        )

    def contents(self, shapes: Sequence[DatabaseShape], gone: Sequence[Pair]) -> str:
        whole = [
            f"select {at}, -1, count(*), coalesce(sum({self._sum(sorted(shape.columns))}), 0) from {shape.name};"
            for at, shape in enumerate(shapes)
        ]
        columns = [
            f"select {len(shapes) + at}, {column}, count(*) filter (where {quoted(name)} is not null), "
            f"coalesce(sum({self._sum((*pair.key, name))}), 0) from {pair.name};"
            for at, pair in enumerate(gone)
            for column, name in enumerate(pair.gone)
        ]
        return "".join([*whole, *columns])

    def _row(self, pair: Pair) -> str:
        return self._sum(pair.columns)

    def _key(self, pair: Pair) -> str:
        return self._sum(pair.key or pair.columns)

    def _sum(self, columns: Sequence[str]) -> str:
        return f"checksum({', '.join(map(quoted, columns))})"


class FakeLocks:
    """See `tasks.database.engine.Locks`."""

    WATCH, STOP_WATCH = "\\facts", "\\facts"
    MODES: tuple[str, ...] = ("exclusive",)
    TABLE_FILES = Question("\\facts", lambda rows: TableFiles(_told(rows)[1], {}))

    def limits(self, rules: DatabaseRules) -> dict[str, str]:
        return {WAIT_VARIABLE: str(rules.lock_timeout)}


class FakeJudge:
    """See `tasks.database.engine.Judge`. It only knows tables that are made, columns that are added, and drops."""

    LINTER: SqlLinter | None = None

    def comments(self, text: str) -> list[tuple[int, int]]:
        found = re.finditer(r"'(?:[^']|'')*'?|--[^\n]*", text)
        return [one.span() for one in found if one[0].startswith("--")]

    def check(self, text: str) -> None:
        if text.strip() and not sqlite3.complete_statement(text):
            raise UnreadableSqlError("it ends in the middle of a statement")

    def existing_types(self, module: ast.Module) -> Mapping[str, str]:
        return {}

    def findings(
        self,
        sql: str,
        *,
        revision: str,
        facts: ColumnFacts,
        in_transaction: bool,
        lint: Sequence[LintFinding],
    ) -> Iterator[SchemaFinding]:
        self.check(sql)
        for statement in _statements(sql):
            words = tuple(statement.lower().split()[:2])
            if words == ("drop", "table"):
                risk = Risk.DESTRUCTIVE
            elif words == ("create", "table"):
                continue
            elif words[0] in {"alter", "insert", "update", "delete"}:
                risk = Risk.OPAQUE
            else:
                raise UnreadableSqlError(f"{words[0]} is no word of SQL")
            yield SchemaFinding(risk=risk, statement=statement, reason=f"{' '.join(words)} is what it does")


FAKE_ENGINE = DatabaseEngine(
    name="Fake",
    dumps=FakeDumps(),
    copies=FakeCopies(),
    beside=FakeBeside(),
    comparison=FakeComparison(),
    locks=FakeLocks(),
    judge=FakeJudge(),
)


class FakeDatabaseHost(FakeHost):
    """A host with a database's container: it plays the scripts that steps run there, and the commands within them.

    Attributes:
        servers: Container → the server in it; `live` is the application's own.
    """

    def __init__(self, name: str = "prod") -> None:
        super().__init__(name)
        self.servers = {"live": FakeServer()}
        self.live.create("store")

    @property
    def live(self) -> FakeServer:
        """The live database's server."""
        return self.servers["live"]

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Have somebody hold a lock on a table of the live database."""
        self.live.locked.add(table)
        yield
        self.live.locked.remove(table)

    def run(self, call: Call, *, on_line: LineSink | None = None) -> Result:
        self._check(call.fence)
        played = self._play(call.argv, call.stdin or b"", call.env)
        if played is None:
            return super().run(call, on_line=on_line)
        self.calls.append(call)
        code, stdout, stderr = played
        return Result(call.argv, code, stdout.decode(errors="replace"), stderr, 0.01)

    def _play(self, argv: Argv, stdin: bytes, env: Mapping[str, str]) -> tuple[int, bytes, str] | None:
        script, words = (argv[3], argv[4:]) if argv[:2] == ("sh", "-c") else ("", argv)
        nothing = 0, b"", ""
        match script, words:
            case "sluice-dump", (path, *inner):
                played = self._dump(path, tuple(inner))
            case "sluice-feed", (path, *inner):
                played = self._play(tuple(inner), self.files[path], env) or nothing
            case "sluice-service", (_, _, *inner):
                played = self.live.execute(tuple(inner), stdin, env)
            case "sluice-live-database", (_, _, *inner):
                code, stdout, stderr = self.live.execute(tuple(inner), b"", env)
                played = code, b"container=live\nimage=i\nreference=fake:1\nalias=db\n" + stdout, stderr
            case "sluice-copy-start", (name, *_):
                self.servers[name] = FakeServer()
                played = nothing
            case "sluice-copy-clear", (name,):
                self.servers.pop(name, None)
                played = nothing
            case (("sluice-copy-ready" | "sluice-pipe"), _):
                played = nothing
            case (("sluice-checksum" | "sluice-measure-dump"), (path,)):
                played = self._measure(path)
            case "", ("docker", "exec", "-i", name, *inner):
                played = self.servers[name].execute(tuple(inner), stdin, env)
            case _:
                return None
        return played

    def _dump(self, path: str, argv: Argv) -> tuple[int, bytes, str]:
        code, content, stderr = self._play(argv, b"", {}) or (1, b"", "fake: error: no such command")
        if code:
            return code, b"", stderr
        self.files[path] = content
        return self._measure(path)

    def _measure(self, path: str) -> tuple[int, bytes, str]:
        content = self.files.get(path)
        if content is None:
            return 66, b"", ""
        return 0, f"{hashlib.sha256(content).hexdigest()} {len(content)}\n".encode(), ""
