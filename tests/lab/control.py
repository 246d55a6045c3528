"""Prefect's server alone, for tests of flows that run in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.events.worker import EventsWorker

from deployments.bootstrap import ControlPlane

_DRAIN_SECONDS = 60


def drain_events() -> None:
    """Let the events of flows that ran in this process reach their server, while it still answers.

    What is left when it is gone is tried again and again, and whoever drains later waits for that without limit:
    Prefect's own harness, and the end of the process.
    """
    EventsWorker.drain_all(timeout=_DRAIN_SECONDS, at_exit=False)


@contextmanager
def open_server(home: Path) -> Iterator[ControlPlane]:
    """Start Prefect's server as `sluice up` does, without a worker: runs stay as the tests put them.

    Args:
        home: Its home folder.

    Yields:
        The control plane; this process talks to it.
    """
    plane = ControlPlane(home)
    try:
        plane.restart_server()
        plane.activate()
        yield plane
        drain_events()
    finally:
        plane.stop()
