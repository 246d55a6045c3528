"""How a rollback treats the database, and on what evidence."""

from __future__ import annotations

from enum import StrEnum

from blocks.values.base import Value
from blocks.values.evidence import LossReport


class StrategyKind(StrEnum):
    """The ways back, mildest first."""

    CODE = "code only"  # the earlier release runs on the present schema: proven
    DOWNGRADE = "downgrade"  # the down-migrations were tried on a copy of now and lose nothing
    RESTORE = "restore"  # a dump takes the database's place: rows are lost, so people decide
    FORBIDDEN = "forbidden"  # there is no way that can be answered for


class DowngradeTrial(Value):
    """The down-migrations, run on a restored copy of now.

    Attributes:
        to_revision: The revision they went to.
        passed: True when they ended well at that revision.
        reason: Why not, one line; empty when they did.
        lost: What they would lose, one line each; empty: nothing, by comparison of every table.
        seconds: How long the down-migrations took there.
    """

    to_revision: str
    passed: bool
    reason: str = ""
    lost: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def lossless(self) -> bool:
        """True when they ended well and nothing is lost."""
        return self.passed and not self.lost


class RollbackStrategy(Value):
    """How a rollback goes, decided before it acts.

    Attributes:
        way: The way.
        reason: Why this one, and what the evidence is; one line.
        todo: What a person can do instead or next, one line; empty where nothing is to be done.
        to_revision: The revision the down-migrations go to; None for the other ways.
        trial: How they went on a copy; None for the other ways, and before they were tried.
        backup_path: The dump that would take the database's place; None without one.
        backup_sha256: Its checksum.
        loss: What is lost with it; None where no restore is asked for.
        most_rows: How many lost rows the approvals cover: the database lives on while people are asked.
    """

    way: StrategyKind
    reason: str
    todo: str = ""
    to_revision: str | None = None
    trial: DowngradeTrial | None = None
    backup_path: str | None = None
    backup_sha256: str | None = None
    loss: LossReport | None = None
    most_rows: int | None = None
