"""A ledger's journal and leases in memory, as far as steps use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from blocks.values.base import Value
from tasks.kernel.errors import FencedError
from tasks.ledger.errors import LeaseHeld
from tasks.ledger.records import Lease, StepRecord

Key = tuple[int, str, str]


@dataclass
class FakeSteps:
    """The journal: a finished step stays as it is."""

    rows: dict[Key, StepRecord] = field(default_factory=dict)

    def start(self, promotion_id: int, name: str, host: str = "", *, now: datetime) -> StepRecord:
        known = self.get(promotion_id, name, host)
        if known is not None and known.status == "finished":
            return known
        row = StepRecord(
            id=known.id if known else len(self.rows) + 1,
            promotion_id=promotion_id,
            name=name,
            host=host,
            status="started",
            attempts=known.attempts + 1 if known else 1,
            receipt=None,
            error=None,
            started_at=now,
            finished_at=None,
        )
        self.rows[promotion_id, name, host] = row
        return row

    def finish(self, promotion_id: int, name: str, host: str = "", *, receipt: Value, now: datetime) -> None:
        self._end((promotion_id, name, host), status="finished", receipt=receipt.to_json(), finished_at=now)

    def fail(self, promotion_id: int, name: str, host: str = "", *, error: str, now: datetime) -> None:
        self._end((promotion_id, name, host), status="failed", error=error, finished_at=now)

    def get(self, promotion_id: int, name: str, host: str = "") -> StepRecord | None:
        return self.rows.get((promotion_id, name, host))

    def of(self, promotion_id: int) -> list[StepRecord]:
        return [row for key, row in self.rows.items() if key[0] == promotion_id]

    def _end(self, key: Key, **values: object) -> None:
        if self.rows[key].status != "finished":
            self.rows[key] = self.rows[key].model_copy(update=values)


@dataclass
class FakeLeases:
    """The lease of one environment.

    Attributes:
        lease: The lease as it is now, None before there was one.
        error: Raised in place of any answer.
        renewals: How often it was renewed.
        asked: Called each time somebody wants the lease, before that is decided.
    """

    lease: Lease | None = None
    error: Exception | None = None
    renewals: int = 0
    asked: Callable[[], None] = lambda: None

    def acquire(
        self,
        pipeline: str,
        environment: str,
        owner: int,
        ttl_seconds: float,
        now: datetime,
        *,
        above: int = 0,
    ) -> Lease:
        self._answer()
        held = self.lease
        if held is not None and held.owner not in {None, owner}:
            raise LeaseHeld(f"the lease of {pipeline}/{environment} is locked by promotion {held.owner}")
        self.lease = Lease(
            pipeline=pipeline,
            environment=environment,
            owner=owner,
            token=max(held.token if held else 0, above) + 1,
            acquired_at=now,
            expires_at=now + timedelta(seconds=ttl_seconds),
        )
        return self.lease

    def renew(self, lease: Lease, ttl_seconds: float, now: datetime) -> Lease:
        self._answer()
        if self.lease is None or self.lease.token != lease.token:
            raise FencedError("the lease was lost: another promotion has it now", "start again")
        self.renewals += 1
        self.lease = lease.model_copy(update={"expires_at": now + timedelta(seconds=ttl_seconds)})
        return self.lease

    def release(self, lease: Lease, now: datetime) -> None:
        if self.lease is not None and self.lease.token == lease.token:
            self.lease = lease.model_copy(update={"owner": None, "expires_at": None})

    def _answer(self) -> None:
        self.asked()
        if self.error is not None:
            raise self.error


@dataclass
class FakeLedger:
    """A ledger in memory."""

    steps: FakeSteps = field(default_factory=FakeSteps)
    leases: FakeLeases = field(default_factory=FakeLeases)
