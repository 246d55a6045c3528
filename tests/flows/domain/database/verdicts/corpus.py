"""The corpus of migrations with their expected verdicts: files of SQL whose first lines say what is expected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blocks.values.schema_changes import MigrationVerdict, Risk
from flows.domain.database.verdicts import RenderedMigration, judge_migrations
from tasks.database.engine.protocols import ColumnFacts
from tasks.database.postgresql import POSTGRESQL

FOLDER = Path(__file__).parent / "migrations"
SIZES = {"public.orders": 2_000_000_000}
_HEAD = re.compile(r"^-- (risk|says|breaks|type|alone|live): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One migration.

    Attributes:
        name: The file's name.
        sql: Its SQL.
        risk: The expected verdict.
        says: Words that must be said of it.
        breaks: Statements of the running release that have another outcome after it.
        types: What the live database would say of its columns.
        alone: True when it cannot run inside of a transaction.
        live: False when it cannot run on the tests' database at all.
    """

    name: str
    sql: str
    risk: Risk
    says: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    types: tuple[tuple[str, str], ...] = ()
    alone: bool = False
    live: bool = True

    def verdict(self) -> MigrationVerdict:
        """Judge it."""
        migration = RenderedMigration(revision=self.name, sql=self.sql)
        (verdict,) = judge_migrations(
            [migration], POSTGRESQL, facts=ColumnFacts(SIZES, dict(self.types)), lint={}, sources=None
        )
        return verdict


def read_case(path: Path) -> Case:
    """Read one file."""
    text = path.read_text("utf-8")
    found: dict[str, list[str]] = {}
    for key, value in _HEAD.findall(text):
        found.setdefault(key, []).append(value)
    types = [one.split(" = ", 1) for one in found.get("type", [])]
    return Case(
        name=path.stem,
        sql=_HEAD.sub("", text).strip(),
        risk=Risk(found["risk"][0]),
        says=tuple(found.get("says", [])),
        breaks=tuple(found.get("breaks", [])),
        types=tuple((name, kind) for name, kind in types),
        alone="alone" in found,
        live="live" not in found,
    )


def cases() -> Iterator[Case]:
    """Yield the whole corpus."""
    for path in sorted((FOLDER / "sql").glob("*.sql")):
        yield read_case(path)


CASES = tuple(cases())
