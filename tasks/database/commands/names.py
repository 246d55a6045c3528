"""PURE: what the databases beside the live one are called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Names:
    """The names of the databases beside the live one; those of one promotion are no other's.

    Attributes:
        old: The live database as it was before.
        bad: What had taken its place and did not do.
    """

    new: str
    old: str
    bad: str

    @classmethod
    def of(cls, promotion_id: int, opened_at: datetime) -> Names:
        """Return a promotion's names: also a ledger that begins again at number 1 makes others."""
        mark = f"{promotion_id}_{opened_at.astimezone(UTC):%Y%m%d%H%M%S}"
        return cls(f"sluice_new_{mark}", f"sluice_old_{mark}", f"sluice_bad_{mark}")
