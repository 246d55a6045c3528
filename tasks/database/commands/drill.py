"""PURE: what makes a difference between a restored database and the live one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from blocks.values.evidence import NO_TABLE

# Statistics reach the server's counters with a delay of some seconds, so a few rows more are no proof.
_SLACK_ROWS = 1000
_SLACK_SHARE = 0.01


@dataclass(frozen=True)
class TableFact:
    """One table or view.

    Attributes:
        rows: How many rows it has itself; None where it keeps none.
    """

    kind: str
    partition: bool = False
    rows: int | None = None


@dataclass(frozen=True)
class DatabaseFacts:
    """What a database holds.

    Attributes:
        tables: Name with schema, quoted as SQL needs it → the table.
        sequences: Name → the last value, None before the first.
        revision: The schema revision, several heads joined by a comma; None without one.
        counters: Table → rows inserted and deleted since the statistics began.
    """

    tables: Mapping[str, TableFact] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)
    sequences: Mapping[str, int | None] = field(default_factory=dict)
    objects: int = 0
    revision: str | None = None
    counters: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The rows of all tables together."""
        return sum(table.rows or 0 for table in self.tables.values() if table.kind == "table")


@dataclass(frozen=True)
class DumpComparison:
    """What a restored database and the live one have not in common.

    Attributes:
        differences: What a dump of a living database does not explain, one line each.
    """

    differences: tuple[str, ...]
    notes: tuple[str, ...]


def empty_difference(restored: DatabaseFacts, why_empty: str) -> tuple[str, ...]:
    """Return the difference that a dump without a table is, unless its receipt says why that is right.

    It equals a live database that is empty too, so that comparing them proves nothing.
    """
    if why_empty or any(table.kind in {"table", "partitioned table"} for table in restored.tables.values()):
        return ()
    return (NO_TABLE,)


def compare(
    live: DatabaseFacts,
    restored: DatabaseFacts,
    *,
    revision: str | None,
    counters: Mapping[str, tuple[int, int, int]],
) -> DumpComparison:
    """Compare what was restored with what is live now.

    The live database went on living since the dump, so not everything that differs speaks against the dump:

    - The revision must be the one the dump was taken at.
    - While the live revision is still that one, every table, view, sequence and extension must have been restored;
      new partitions are what an application makes by itself. After a migration only what is in both is compared.
    - Rows come and go. A table restored empty that is not empty now is a difference, unless the server's counters
      say that as many rows were inserted since, or that it was empty then. Where the counters at the dump are known,
      a table must not have lost more rows than were inserted since, but for what counters lag behind: 1,000 rows or
      one in a hundred.

    Args:
        revision: The revision recorded with the dump; None when unknown.
        counters: Table → rows inserted, updated, deleted when the dump was taken; empty when unknown.
    """
    differences: list[str] = []
    notes: list[str] = []
    if revision is not None and restored.revision != revision:
        differences.append(
            f"the schema is at revision {restored.revision or 'none'}, the dump's was {revision}"
        )
    migrated = live.revision != restored.revision
    if migrated:
        notes.append(
            f"the live schema is at {live.revision or 'none'}, the dump at {restored.revision or 'none'}"
        )
    unexplained = notes if migrated else differences
    unexplained.extend(_missing(live, restored))
    notes.extend(_apart(live, restored))
    for name, table in restored.tables.items():
        now = live.tables.get(name)
        if now is None or now.rows is None or table.rows is None or now.rows == table.rows:
            continue
        loss = _loss(name, table.rows, live, counters) if now.kind == "table" else None
        line = f"{name}: {table.rows} rows restored, {now.rows} live"
        if loss is None:
            notes.append(line)
        else:
            differences.append(f"{line}, {loss}")
    return DumpComparison(tuple(differences), tuple(notes))


def _missing(live: DatabaseFacts, restored: DatabaseFacts) -> Iterator[str]:
    for name, table in live.tables.items():
        if name not in restored.tables and not table.partition:
            yield f"the {table.kind} {name} was not restored"
    for name in live.sequences:
        if name not in restored.sequences:
            yield f"the sequence {name} was not restored"
    for name in live.extensions:
        if name not in restored.extensions:
            yield f"the extension {name} was not restored"
    if live.objects and not restored.objects:
        yield f"none of {live.objects} large objects was restored"


def _apart(live: DatabaseFacts, restored: DatabaseFacts) -> Iterator[str]:
    """Say what differs as it may."""
    new = [name for name, table in live.tables.items() if table.partition and name not in restored.tables]
    if new:
        yield f"{len(new)} partitions were made since, such as {new[0]}"
    for name, table in restored.tables.items():
        if name not in live.tables:
            yield f"the {table.kind} {name} is gone from the live database"
    for name, version in restored.extensions.items():
        now = live.extensions.get(name)
        if now is not None and now != version:
            yield f"the extension {name} is {now} in the live database, a restore installs {version}"
    for name, last in restored.sequences.items():
        if (last or 0) > (live.sequences.get(name) or last or 0):
            yield f"the sequence {name} was reset in the live database"


def _loss(
    name: str, restored: int, live: DatabaseFacts, counters: Mapping[str, tuple[int, int, int]]
) -> str | None:
    """Say why a table lost rows between dump and restore; None where rows written since explain it."""
    rows = live.tables[name].rows or 0
    now, then = live.counters.get(name), counters.get(name)
    if restored >= rows:
        return None
    if now is None or then is None or now[0] < then[0] or now[1] < then[2]:
        # Not known, or set back since.
        return "how many were written since is not known" if restored == 0 else None
    written = now[0] - then[0]
    if restored == 0:
        was_empty = 0 < then[0] == then[2]
        return None if was_empty or written >= rows else f"{written} of them written since"
    slack = max(_SLACK_ROWS, int(rows * _SLACK_SHARE))
    return f"{written} of them written since" if restored + written + slack < rows else None
