"""What the ledger gives out about deliveries and what they start."""

from __future__ import annotations

from datetime import datetime

from blocks.values.deliveries import DeliveryStatus, Errand, Start, StartStatus
from blocks.values.lifecycle import Kind
from tasks.ledger.records import Record


class DeliveryRecord(Record):
    """One webhook request of GitHub.

    Attributes:
        id: The row's number, in the order they came.
        delivery: GitHub's id of it.
        event: The event's name.
        action: What happened; empty for events without actions.
        repository: The repository, `owner/name`.
        ref: The branch or tag it is about, as `refs/…`; empty where there is none.
        sha: The commit it is about; empty where there is none.
        number: The pull request or issue it is about.
        sender: The login of whoever caused it.
        digest: Sha256 over the body, hex.
        facts: What the decision needs of the payload, as JSON text.
        status: Where it stands.
        reason: One line for a person about the status.
        attempts: How often it was looked at without getting to a decision.
        replays: How often it was replayed by hand.
        next_try_at: Not before this time, UTC; None for at once.
        received_at: When it came, UTC.
        updated_at: When the row last changed, UTC.
    """

    id: int
    delivery: str
    event: str
    action: str
    repository: str
    ref: str
    sha: str
    number: int | None
    sender: str
    digest: str
    facts: str
    status: DeliveryStatus
    reason: str
    attempts: int
    replays: int
    next_try_at: datetime | None
    received_at: datetime
    updated_at: datetime


class StartRecord(Record):
    """One flow run a delivery asks for.

    Attributes:
        id: The row's number, in the order they were decided.
        delivery_id: The delivery's row.
        key: Prefect's idempotency key.
        repository: The repository, `owner/name`.
        environment: The environment; of an errand what it is about.
        kind: Promote or rollback, or an errand.
        ref: What the run is given.
        branch: The branch whose newest push counts; empty for tags and comments.
        sha: The commit; empty where the flow finds it.
        by_commit: True where a second event of the same commit starts nothing more.
        requested_by: The login of whoever asks.
        cause: Why, for a rollback.
        status: Where it stands.
        reason: One line for a person about the status.
        flow_run_id: The flow run, None before there is one.
        attempts: How often Prefect was asked in vain.
        next_try_at: Not before this time, UTC; None for at once.
        created_at: When it was decided, UTC.
        updated_at: When the row last changed, UTC.
    """

    id: int
    delivery_id: int
    key: str
    repository: str
    environment: str
    kind: Kind | Errand
    ref: str
    branch: str
    sha: str
    by_commit: bool
    requested_by: str
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
        return Start(
            environment=self.environment,
            kind=self.kind,
            ref=self.ref,
            branch=self.branch,
            sha=self.sha,
            by_commit=self.by_commit,
            requested_by=self.requested_by,
            reason=self.cause,
        )
