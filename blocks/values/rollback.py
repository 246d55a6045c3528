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
    """The down-migrations, run on a restored copy of now; `lost` was found by comparing every table."""

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
        todo: What a person can do instead or next, one line; empty where nothing is to be done.
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
