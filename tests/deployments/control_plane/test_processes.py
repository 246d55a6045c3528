"""Processes that are found again, and ended for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.control_plane import processes
from deployments.control_plane.processes import Running

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(600)"
)
PARENT = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); "
    "print(child.pid, flush=True); time.sleep(600)"
)


def started(tmp_path: Path, code: str, **variables: str) -> Running:
    env = {**os.environ, **variables}
    return processes.start("it", [sys.executable, "-c", code], env=env, cwd=tmp_path, log=tmp_path / "log")


def logged(running: Running) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if text := Path(running.log).read_text().strip():
            return text
        time.sleep(0.05)
    raise AssertionError("nothing was logged")


def test_it_is_found_again_by_its_file(tmp_path: Path) -> None:
    running = started(tmp_path, "import time; time.sleep(600)", COLOUR="blue")
    running.save(tmp_path / "run" / "it.json")
    found = processes.load(tmp_path / "run" / "it.json")
    assert found == running
    assert found.variable("COLOUR") == "blue"
    found.stop(first=signal.SIGTERM, grace_seconds=30)
    assert not found.alive()
    assert processes.load(tmp_path / "run" / "it.json") is None


def test_one_that_is_just_becoming_its_program_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a process takes on its program, the kernel shows no environment: an empty text, not an error."""
    running = started(tmp_path, "import time; time.sleep(600)", COLOUR="blue")
    read = processes._environ
    looks = []

    def shown(pid: int) -> bytes:
        looks.append(pid)
        return b"" if len(looks) < 3 else read(pid)

    monkeypatch.setattr(processes, "_environ", shown)
    assert running.variable("COLOUR") == "blue"
    running.stop(first=signal.SIGTERM, grace_seconds=30)
    assert running.variable("COLOUR") == ""


def test_another_process_with_its_id_is_not_taken_for_it(tmp_path: Path) -> None:
    running = started(tmp_path, "import time; time.sleep(600)")
    older = replace(running, born=running.born - 1)
    assert running.alive()
    assert not older.alive()
    older.send(signal.SIGKILL)
    assert running.alive()
    running.stop(first=signal.SIGTERM, grace_seconds=30)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_file_that_says_nothing_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "it.json").write_text(text)
    assert processes.load(tmp_path / "it.json") is None


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    running = started(tmp_path, STUBBORN)
    logged(running)
    running.stop(first=signal.SIGTERM, grace_seconds=0.2)
    assert not running.alive()


def test_what_it_started_ends_with_it_even_in_a_session_of_its_own(tmp_path: Path) -> None:
    running = started(tmp_path, PARENT)
    child = int(logged(running))
    assert [one.pid for one in processes.family(running.pid)] == [running.pid, child]
    running.stop(first=signal.SIGTERM, grace_seconds=30)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_one_that_ended_by_itself_is_gone_at_once(tmp_path: Path) -> None:
    running = started(tmp_path, "pass")
    assert running.wait(60)
    assert running.log_tail() == ""


def test_sigint_ends_what_a_shell_started_in_the_background(tmp_path: Path) -> None:
    """A shell without job control makes its background commands ignore SIGINT, and they inherit that."""
    code = (
        "import signal\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN\n"
        "from deployments.control_plane import launch\n"
        "launch.serve = lambda _: (print('up', flush=True), signal.pause())\n"
        "launch.main(['server'])\n"
    )
    shell = subprocess.Popen(
        ["sh", "-c", '"$1" -c "$2" & echo $!; wait', "sh", sys.executable, code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert shell.stdout is not None
    pid = int(shell.stdout.readline())
    assert shell.stdout.readline() == "up\n"
    os.kill(pid, signal.SIGINT)
    _, said = shell.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
