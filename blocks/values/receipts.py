"""Receipts: the small, serialisable results of steps."""

from __future__ import annotations

from datetime import datetime

from blocks.values.base import Value


class BuildReceipt(Value):
    """What `build` did; nothing was built where the registry had the commit's digests."""

    built: tuple[str, ...]
    seconds: float


class PushReceipt(Value):
    """One image in the registry."""

    repository: str
    digest: str
    seconds: float


class BackupReceipt(Value):
    """One database dump.

    Attributes:
        entries: How many entries `pg_restore --list` read back; None for a team's own command.
        counters: Table → rows inserted, updated and deleted so far by PostgreSQL's statistics, read just before the
            dump began: what was added to them since is, at most, what the dump lacks.
        why_empty: Why it is right that it holds no table; empty where it holds some, or nobody could say.
        copies: Where else it is, once copied: `<host>:<path>`, or an fsspec address.
    """

    host: str
    path: str
    bytes: int
    sha256: str
    entries: int | None
    revision: str | None
    taken_at: datetime
    seconds: float
    counters: dict[str, tuple[int, int, int]] = {}
    tables: int | None = None
    why_empty: str = ""
    copies: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """False for a dump without a table where nobody could say that this is right."""
        return self.holds is not False or bool(self.why_empty)

    @property
    def holds(self) -> bool | None:
        """Whether it holds a table; None where that cannot be told of what a team's own command wrote.

        Before tables were counted, PostgreSQL's own dumps had the statistics' counters of each.
        """
        if self.tables is None:
            return None if self.entries is None else bool(self.counters)
        return self.tables > 0


class MigrateReceipt(Value):
    """What `migrate` did: the schema revision before and after, None when unknown."""

    before: str | None
    after: str | None
    seconds: float


class UpReceipt(Value):
    """What `up` started on one host, and how long until compose said they were up."""

    host: str
    services: tuple[str, ...]
    seconds: float


class SmokeReceipt(Value):
    """The smoke checks that passed, one line each."""

    checks: tuple[str, ...]
    seconds: float


class StepReceipt(Value):
    """Any other step: one line for a person."""

    text: str
    seconds: float = 0.0
