"""What the receiver tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from blocks.values.deliveries import DeliveryStatus
from tasks.ledger.store import Ledger

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The receiver's numbers, in a registry of their own; the ledger is asked at each scrape."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "sluice_webhook_answers",
            "Requests, by the status of their answer.",
            ["status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "sluice_webhook_answer_seconds",
            "Seconds from a delivery's headers to its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.runs = Counter("sluice_webhook_runs", "Flow runs created.", registry=self.registry)
        self.failures = Counter(
            "sluice_webhook_failures",
            "Failed tries, by what did not answer.",
            ["what"],
            registry=self.registry,
        )
        if ledger is not None:
            self.registry.register(_Standing(ledger))

    def text(self) -> bytes:
        """Return them as Prometheus reads them."""
        return generate_latest(self.registry)


class _Standing(Collector):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the ledger."""
        family = GaugeMetricFamily(
            "sluice_webhook_deliveries", "Deliveries in the ledger.", labels=["status"]
        )
        counts = self._ledger.deliveries.counts()
        for status in DeliveryStatus:
            family.add_metric([status.value], counts.get(status, 0))
        yield family
