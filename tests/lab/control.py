"""Prefect's server alone, for tests of flows that run in this process, and what keeps those from waiting."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import Task
from prefect.events.worker import EventsWorker

from deployments.bootstrap import ControlPlane
from deployments.connect import refresh_prefect

_DRAIN_SECONDS = 60


def drain_events() -> None:
    """Let the events of flows that ran in this process reach their server, while it still answers.

    What is left when it is gone is tried again and again, and whoever drains later waits for that without limit:
    Prefect's own harness, and the end of the process.
    """
    EventsWorker.drain_all(timeout=_DRAIN_SECONDS, at_exit=False)


def without_heartbeats() -> None:
    """Let flows of this process end at once, until its control plane is deactivated.

    At the end of each flow Prefect waits for the thread of its heartbeats, which sleeps for a second at a time.
    """
    os.environ.pop("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", None)
    refresh_prefect()


@contextmanager
def trying_again_at_once() -> Iterator[None]:
    """Let the steps imported so far not pause before another try: what fails here does not mend with time."""
    imported = [vars(module) for name, module in list(sys.modules.items()) if name.startswith("tasks.")]
    steps: dict[int, Task[..., Any]] = {
        id(one): one for members in imported for one in members.values() if isinstance(one, Task)
    }
    before = {number: step.retry_delay_seconds for number, step in steps.items()}
    for step in steps.values():
        step.retry_delay_seconds = [0.0]
    try:
        yield
    finally:
        for number, step in steps.items():
            step.retry_delay_seconds = before[number]


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
        without_heartbeats()
        with trying_again_at_once():
            yield plane
        drain_events()
    finally:
        plane.stop()
