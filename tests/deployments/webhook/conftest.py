"""The receiver over real HTTP: uvicorn on the loopback address, a ledger in a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn

from blocks.github_webhooks import GitHubWebhooks
from blocks.values.deliveries import DeliveryStatus
from deployments.webhook.app import PATH, Receiver, create_app
from deployments.webhook.intake import Intake
from deployments.webhook.metrics import Metrics
from tasks.ledger.delivery_records import DeliveryRecord
from tasks.ledger.store import Ledger
from tests.deployments.webhook.sender import BLOCK
from tests.fixtures import ledger
from tests.lab.ports import free_port

# Not the home's, which the tests of the other commands have.
__all__ = ["ledger"]


@dataclass
class Served:
    """A receiver that listens.

    Attributes:
        port: Its port.
        ledger: Its ledger.
        client: Speaks to it.
        configuration: What it is configured with; tests may change it.
        ailing: What its health says.
    """

    port: int
    ledger: Ledger
    client: httpx.Client
    configuration: GitHubWebhooks | None = field(default_factory=lambda: BLOCK)
    ailing: str = ""
    woken: list[float] = field(default_factory=list)

    def post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.client.post(PATH, content=body, headers=headers)

    def stored(self) -> list[DeliveryRecord]:
        return self.ledger.deliveries.newest(10_000)

    def would_start(self) -> int:
        """How many deliveries anybody would decide about."""
        return self.ledger.deliveries.counts().get(DeliveryStatus.RECEIVED, 0)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}") as ledger:
        port = free_port()
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)
        found = Served(port, ledger, client)
        intake = Intake(ledger, lambda: found.woken.append(time.monotonic()))
        receiver = Receiver(lambda: found.configuration, intake, Metrics(ledger), lambda: found.ailing)
        config = uvicorn.Config(
            create_app(receiver), host="127.0.0.1", port=port, log_level="critical", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield found
        client.close()
        server.should_exit = True
        thread.join()
        intake.close()
