"""Waiting for a part: until it is there, until it is gone, or until the time is up."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from deployments.control_plane import parts
from deployments.control_plane.parts import _wait_until, start_server, wait_for_provisioning, wait_for_worker
from deployments.control_plane.prefect_api import Json, PrefectApi
from deployments.control_plane.processes import Running, running
from tasks.kernel.errors import TerminalError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_POLL_SECONDS", 0.001)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "part.log"
    path.write_text("first\nlast words\n")
    return path


@pytest.fixture
def alive(log: Path) -> Running:
    """This process stands for a part that runs."""
    return running("the part", os.getpid(), str(log))


@pytest.fixture
def ended(log: Path) -> Running:
    return Running("the part", os.getpid(), 1, str(log))


def test_it_is_waited_for_until_it_is_there(alive: Running) -> None:
    looks = iter((False, False, True))
    _wait_until(lambda: next(looks), alive, "answer")


def test_what_was_done_before_the_end_counts(ended: Running) -> None:
    _wait_until(lambda: True, ended, "answer")


def test_one_that_ended_is_said_with_its_last_words(ended: Running) -> None:
    with pytest.raises(TerminalError, match="the part ended before it could answer — see .*part.log") as told:
        _wait_until(lambda: False, ended, "answer")
    assert told.value.detail.splitlines()[-1] == "last words"


def test_one_that_does_not_come_is_waited_for_with_a_bound(alive: Running) -> None:
    with pytest.raises(TerminalError, match="the part did not answer within 0 seconds"):
        _wait_until(lambda: False, alive, "answer", 0.01)


def test_each_part_of_the_set_up_is_told_once(alive: Running, log: Path) -> None:
    told: list[str] = []
    steps = iter(("ready: pool\nnoise\n", "", "ready: blocks\nready: deployments\n"))
    log.write_text("")

    def add(line: str) -> None:
        told.append(line)

    def grow(self: Running) -> bool:
        with log.open("a") as file:
            file.write(next(steps))
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Running, "alive", grow)
        wait_for_provisioning(alive, add)
    assert told == ["pool", "blocks", "deployments"]


class Pool(PrefectApi):
    """A server whose pool has an old worker, and then a new one."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1/api")
        self.looks = 0

    def workers(self, pool: str) -> list[Json]:
        self.looks += 1
        new = {"id": "new", "status": "ONLINE" if self.looks > 2 else "OFFLINE"}
        return [{"id": "old", "status": "ONLINE"}, new]


def test_an_earlier_worker_is_not_taken_for_the_new_one(alive: Running) -> None:
    pool = Pool()
    wait_for_worker(alive, pool, frozenset({"old"}))
    assert pool.looks == 3


def test_a_port_that_is_let_go_of_soon_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that was killed has it until the last of its threads has ended."""
    monkeypatch.setattr(parts, "_started", lambda *_, lent: lent)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        threading.Timer(0.3, held.close).start()
        assert start_server(tmp_path, {"PREFECT_SERVER_API_PORT": str(port)})
