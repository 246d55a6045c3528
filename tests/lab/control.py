"""Prefect's server alone, for tests of flows that run in this process, and what keeps those from waiting."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from prefect import Task, flow_engine
from prefect.events.worker import EventsWorker

from deployments.control_plane.login import login_file
from tests.lab.plane import LabPlane
from tests.lab.prefect_database import lay_database

_DRAIN_SECONDS = 60
# What the server puts there when it starts.
_KEPT_TABLES = {"alembic_version", "configuration", "block_type", "block_schema", "block_schema_reference"}
_KEPT_FOLDERS = {"prefect", "logs", "run"}


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
def open_server() -> Iterator[LabPlane]:
    """Have Prefect's server, as `sluice up` starts it, without a worker: runs stay as the tests put them.

    It is started once for all tests of this process, and is empty whenever it is opened.

    Yields:
        The control plane; this process talks to it.
    """
    plane = _server()
    _empty(plane.home)
    plane.activate()
    try:
        with ending_at_once(), trying_again_at_once():
            yield plane
        drain_events()
    finally:
        plane.deactivate()


@lru_cache
def _server() -> LabPlane:
    home = Path(tempfile.mkdtemp(prefix="sluice-server-"))
    lay_database(home)
    plane = LabPlane(home)

    def end() -> None:
        plane.stop()
        shutil.rmtree(home, ignore_errors=True)

    atexit.register(end)
    plane.restart_server()
    return plane


def _empty(home: Path) -> None:
    """Forget what earlier tests left: what Prefect's server has stored, but the block types; and Sluice's own files."""
    with closing(sqlite3.connect(home / "prefect" / "prefect.db", timeout=60)) as database, database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            if table not in _KEPT_TABLES:
                database.execute(f'delete from "{table}"')
    for path in home.iterdir():
        if path.is_dir() and path.name not in _KEPT_FOLDERS:
            shutil.rmtree(path)
        elif path.is_file() and path != login_file(home):
            path.unlink()
