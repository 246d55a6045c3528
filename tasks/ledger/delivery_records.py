"""What the ledger gives out about deliveries and what they start."""

from __future__ import annotations

from datetime import datetime

from blocks.values.deliveries import DeliveryFacts, DeliveryStatus, Start, StartFacts, StartStatus
from tasks.ledger.records import Record


class DeliveryRecord(Record, DeliveryFacts):
    """One webhook request of GitHub; `attempts` counts the looks that led to no decision."""

    id: int
    status: DeliveryStatus
    reason: str
    attempts: int
    replays: int
    next_try_at: datetime | None
    received_at: datetime
    updated_at: datetime


class StartRecord(Record, StartFacts):
    """One flow run a delivery asks for; a lower `id` was decided earlier.

    Attributes:
        key: Prefect's idempotency key, so that a second try makes no second run.
        cause: Why, for a rollback.
        attempts: How often Prefect was asked in vain.
    """

    id: int
    delivery_id: int
    key: str
    repository: str
    cause: str
    status: StartStatus
    reason: str
    flow_run_id: str | None
    attempts: int
    next_try_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def start(self) -> Start:
        """The start as it was decided."""
        return Start(**self.model_dump(include=set(StartFacts.model_fields)), reason=self.cause)
