"""What the ledger gives out: frozen values, never rows bound to a database."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import AliasChoices, Field, ValidationError

from blocks.values.asked import AskedFor
from blocks.values.base import Value
from blocks.values.evidence import DrillReceipt, RehearsalReceipt
from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import Plan
from blocks.values.receipts import BackupReceipt
from blocks.values.releases import Release
from tasks.kernel.errors import TerminalError

StepStatus = Literal["started", "finished", "failed"]
Decision = Literal["approve", "reject"]


class Record(Value):
    """A row as it was when it was read."""

    @classmethod
    def of(cls, row: object) -> Self:
        """Make the record from a database row of the same field names."""
        return cls.model_validate(row, from_attributes=True)


class ReleaseRecord(Record):
    """A release, whole, as it was first recorded."""

    id: str
    pipeline: str
    commit_sha: str
    data: Release
    created_at: datetime


class PromotionRecord(Record):
    """One attempt to bring a release into an environment.

    Attributes:
        previous_release_id: The release that ran there before, None when unknown or nothing ran.
        plan_json: The plan as JSON text, None until it is known; `plan` reads it.
        started_at: When it began to change the environment, UTC; None before.
    """

    id: int
    pipeline: str
    environment: str
    kind: Kind
    ref: str
    release_id: str | None
    previous_release_id: str | None
    status: Status
    flow_run_id: str | None
    requested_by: str
    cause: str
    message: str
    plan_json: str | None = Field(validation_alias=AliasChoices("plan_json", "plan"), repr=False)
    plan_hash: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    asked: AskedFor | None = Field(None, repr=False)

    @property
    def plan(self) -> Plan | None:
        """The plan, None until it is known.

        It is read only here, so that an old plan another version wrote does not hide the whole history.

        Raises:
            TerminalError: The stored plan is from another version of Sluice.
        """
        if self.plan_json is None:
            return None
        try:
            return Plan.from_json(self.plan_json)
        except ValidationError:
            raise TerminalError(
                f"the plan of promotion {self.id} was written by another version of Sluice",
                "start the promotion again",
            ) from None


class StepRecord(Record):
    """One step of a promotion, on one host or on none.

    Attributes:
        error: Why the last try failed, redacted; None otherwise.
        finished_at: When the last try finished or failed, UTC; None while it runs or was cut.
    """

    id: int
    promotion_id: int
    name: str
    host: str
    status: StepStatus
    attempts: int
    receipt: str | None
    error: str | None
    started_at: datetime
    finished_at: datetime | None


class ApprovalRecord(Record):
    """One answer to one plan, or to one request to relax a rule, counted or not.

    Attributes:
        counted: True when the identity was verified and the policy lets this person decide.
        refusal: Why it does not count, empty when it does.
        code_step: The time step of the valid one-time code, None without one.
    """

    id: int
    promotion_id: int | None
    relaxation_id: int | None = None
    plan_hash: str
    approver: str
    decision: Decision
    counted: bool
    refusal: str
    reason: str
    code_step: int | None
    created_at: datetime


class ReceiptRecord(Record):
    """What every row with a receipt has beside it; a drill on schedule is of no promotion."""

    id: int
    promotion_id: int | None
    pipeline: str
    environment: str
    created_at: datetime


class BackupRecord(ReceiptRecord):
    """One database dump, and the promotion that took it."""

    promotion_id: int
    receipt: BackupReceipt


class Lease(Record):
    """The exclusive right to change one environment.

    Attributes:
        token: The fencing token, higher than any given before.
        expires_at: When others may take it, UTC; None when it is free.
    """

    pipeline: str
    environment: str
    owner: int | None
    token: int
    acquired_at: datetime
    expires_at: datetime | None


class Hold(Record):
    """A release that may not be promoted into an environment until a person says so."""

    id: int
    pipeline: str
    environment: str
    release_id: str
    reason: str
    created_by: str
    created_at: datetime
    released_at: datetime | None
    released_by: str | None
    release_reason: str | None


class DrillRecord(ReceiptRecord):
    """A dump that was restored and compared, in a promotion or on schedule."""

    receipt: DrillReceipt

    @property
    def passed(self) -> bool:
        """True when nothing differed, as that is judged now."""
        return self.receipt.passed


class RehearsalRecord(ReceiptRecord):
    """A pending migration that was run on a copy, and what ran on it afterwards."""

    promotion_id: int
    receipt: RehearsalReceipt


class DriftRecord(Record):
    """One difference between a host and the ledger.

    Attributes:
        kind: What differs, such as `image`, `bundle`, `schema`, `container`.
        subject: What it is about: a service, a file, a revision.
    """

    id: int
    pipeline: str
    environment: str
    host: str
    kind: str
    subject: str
    detail: str
    found_at: datetime
    seen_at: datetime
    gone_at: datetime | None
