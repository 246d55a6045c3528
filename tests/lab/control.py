"""Prefect's server alone, for tests of flows that run in this process, and what keeps those from waiting."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from prefect import Task, flow_engine
from prefect.events.worker import EventsWorker

from deployments.bootstrap import ControlPlane
from tests.lab.prefect_database import lay_database

_DRAIN_SECONDS = 60


def drain_events() -> None:
    """Let the events of flows that ran in this process reach their server, while it still answers.

    What is left when it is gone is tried again and again, and whoever drains later waits for that without limit:
    Prefect's own harness, and the end of the process.
    """
    EventsWorker.drain_all(timeout=_DRAIN_SECONDS, at_exit=False)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let flows of this process end without a pause.

    At the end of each Prefect waits for the thread of its heartbeats, which sleeps for a second at a time; flows of
    tests are over before the second heartbeat.
    """
    with patch.object(flow_engine, "_send_heartbeats", lambda *_, **__: nullcontext()):
        yield


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
    lay_database(home)
    plane = ControlPlane(home)
    try:
        plane.restart_server()
        plane.activate()
        with ending_at_once(), trying_again_at_once():
            yield plane
        drain_events()
    finally:
        plane.stop()
