"""Repository, ledger, Prefect and a clock for the dispatcher's tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from blocks.settings import Settings
from blocks.values.deliveries import DeliveryStatus
from deployments.control_plane.prefect_api import PrefectApi
from deployments.webhook.accept import accept, read_head
from deployments.webhook.applications import Applications, Blocks
from deployments.webhook.dispatcher import Dispatcher
from deployments.webhook.metrics import Metrics
from tasks.ledger.delivery_records import DeliveryRecord
from tasks.ledger.store import Ledger
from tests.data import event_of, payload
from tests.deployments.webhook.prefect_server import Gate, runs_of
from tests.deployments.webhook.sender import BLOCK, headers
from tests.lab.repository import Repository


@dataclass
class World:
    """Repository, ledger, Prefect and a clock, with the dispatcher between them."""

    shop: Repository
    ledger: Ledger
    gate: Gate
    settings: Settings
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    seen: int = 0

    def __post_init__(self) -> None:
        self.seen = len(runs_of(self.gate.target))
        self.dispatcher = self.born()

    def born(self, busy: Callable[[], bool] = lambda: False) -> Dispatcher:
        """Return a dispatcher as a process that has just started has it."""
        api = PrefectApi(self.gate.url, tries=1)
        self.blocks = Blocks(api)
        mode, self.gate.mode = self.gate.mode, "open"
        self.blocks.read_webhooks()
        self.gate.mode = mode
        self.applications = Applications(self.settings, self.blocks)
        return Dispatcher(self.ledger, self.applications, api, Metrics(), lambda: self.now, busy)

    def deliver(self, name: str, **changes: Any) -> str:
        """Take a delivery in as the receiver does; return its id."""
        raw = payload(name)
        for path, value in changes.items():
            *parents, last = path.split("__")
            inside = raw
            for key in parents:
                inside = inside[key]
            inside[last] = value
        raw["unique"] = len(self.ledger.deliveries.newest(9999))
        body = json.dumps(raw).encode()
        sent = headers(body, event_of(name))
        arrived = accept(read_head((key.lower(), value) for key, value in sent.items()), body, BLOCK)
        assert self.ledger.deliveries.take_in([arrived], self.now) == ["stored"]
        return arrived.delivery

    def push(self, sha: str, ref: str = "refs/heads/main", **changes: Any) -> str:
        return self.deliver("push_branch", ref=ref, after=sha, head_commit__id=sha, **changes)

    def turn(self, seconds: float = 0) -> None:
        self.now += timedelta(seconds=seconds)
        self.dispatcher.turn()
        # A server on SQLite answers 503 now and then by itself.
        while self.gate.mode == "open" and self.ledger.starts.pending():
            self.now += timedelta(seconds=60)
            self.dispatcher.turn()

    def row(self, delivery: str) -> DeliveryRecord:
        found = self.ledger.deliveries.get(delivery)
        assert found is not None
        return found

    def status(self, delivery: str) -> tuple[DeliveryStatus, str]:
        found = self.row(delivery)
        return found.status, found.reason

    def runs(self) -> list[tuple[str, str]]:
        """Return what was started in this test: idempotency key and `ref` or `release`."""
        found = runs_of(self.gate.target)[self.seen :]
        keys = [
            (str(run["idempotency_key"]), run["parameters"].get("ref", run["parameters"].get("release")))
            for run in found
        ]
        assert len({key for key, _ in keys}) == len(keys)
        return keys
