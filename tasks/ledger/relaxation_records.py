"""What the ledger gives out about rules on GitHub that people let go for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AliasChoices, Field

from blocks.values.asked import AskedFor
from blocks.values.rules import BranchProtection
from tasks.ledger.records import Record

RelaxationStatus = Literal["asked", "begun", "relaxed", "restored", "refused", "failed"]


class RelaxationRecord(Record):
    """A rule of a branch on GitHub that was let go for a while, or was asked to be.

    Attributes:
        approved_by: Who let it happen, verified; empty before.
        status: `asked`; `begun` before GitHub is changed; `relaxed`; `restored` when it is back; `refused` where
            people or the policy said no; `failed` where GitHub did not do it, and the rule is in force.
        protection: What was enforced on the branch before, None until it is begun.
        until: When it is put back, UTC; None until it is begun.
    """

    id: int
    pipeline: str
    repository: str
    branch: str
    rule: str
    seconds: int
    reason: str
    requested_by: str
    approved_by: str
    status: RelaxationStatus
    message: str
    protection: BranchProtection | None = Field(None, validation_alias=AliasChoices("protection", "before"))
    flow_run_id: str | None
    asked_at: datetime
    until: datetime | None
    relaxed_at: datetime | None
    ended_at: datetime | None
    asked: AskedFor | None = None

    @property
    def stands(self) -> bool:
        """True while the rule may be relaxed on GitHub."""
        return self.status in {"begun", "relaxed"}
