"""What a migration does to the schema, judged from its SQL."""

from __future__ import annotations

from enum import StrEnum

from blocks.values.base import Value

# What stands in the place of a migration's identifier where nobody could say which are pending.
UNKNOWN = "not known"


class Risk(StrEnum):
    """What a migration means for the release that runs now, mildest first."""

    ADDITIVE = "additive"  # the release that runs now keeps working
    LOCKING = "locking"  # it does, but a table is rewritten or blocked meanwhile
    DESTRUCTIVE = "destructive"  # something it uses is dropped, narrowed, renamed or made stricter
    OPAQUE = "opaque"  # it cannot be told; treated as destructive

    @property
    def breaks(self) -> bool:
        """True where the release that runs now may fail on the migrated schema."""
        return self in {Risk.DESTRUCTIVE, Risk.OPAQUE}

    @property
    def severity(self) -> int:
        """0 for the mildest, 3 for the worst."""
        return tuple(Risk).index(self)


class SchemaFinding(Value):
    """One statement's part in a verdict; its text is on one line, cut to a readable length."""

    risk: Risk
    statement: str
    reason: str
    safer: str = ""
    table: str = ""


class MigrationVerdict(Value):
    """What one migration does; its risk is the worst of its findings."""

    revision: str
    message: str = ""
    risk: Risk
    findings: tuple[SchemaFinding, ...] = ()
    sql: str = ""


def worst(verdicts: tuple[MigrationVerdict, ...]) -> Risk:
    """Return the worst risk of several migrations; additive where there is none."""
    return max((verdict.risk for verdict in verdicts), key=lambda risk: risk.severity, default=Risk.ADDITIVE)


class LintFinding(Value):
    """What the linter says of one line of a migration's SQL; the first line is 0."""

    rule: str
    message: str
    safer: str = ""
    line: int = 0
