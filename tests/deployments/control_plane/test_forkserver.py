"""Copies of a process that has imported already: they do, and end, as a new interpreter would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.control_plane.forkserver import socket_file

ROOT = Path(__file__).parents[3]
WORKER = """
import os, sys, time
from pathlib import Path
from deployments.control_plane.forkserver import start_beside_worker

start_beside_worker(Path(os.environ["SLUICE_HOME"]), ["slow_to_import"])
print("worker", flush=True)
time.sleep(600)
"""
SLOW_TO_IMPORT = """
import os
with open(os.environ["IMPORTS"], "a") as imports:
    imports.write("imported\\n")
"""
RUN = """
import atexit, os, signal, sys, threading, time
import slow_to_import

def leave(number, frame):
    print("told to end", flush=True)
    sys.exit(7)

signal.signal(signal.SIGTERM, leave)
print(os.getcwd(), os.environ["WHOSE"], os.environ.get("WORKERS_OWN"), os.getpid(), flush=True)
print("to stderr", file=sys.stderr)
match os.environ["ACT"].split():
    case ["exit", code]:
        sys.exit(int(code))
    case ["end"]:
        # Not daemons: the interpreter waits for them before anything that is registered for the end.
        threading.Thread(target=lambda: (time.sleep(0.3), sys.stdout.write("thread\\n"))).start()
        atexit.register(lambda: sys.stdout.write("registered\\n"))
    case ["words"]:
        sys.exit("why it ends")
    case ["raise"]:
        raise ValueError("as it comes")
    case ["die", number]:
        os.kill(os.getpid(), int(number))
    case ["wait", path]:
        until = time.monotonic() + 120
        while not os.path.exists(path) and time.monotonic() < until:
            time.sleep(0.05)
"""
COMMAND = "from deployments.control_plane.engine import main; main('a_run')"


class Home:
    """A home folder with what a run is made of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.imports = path / "imports"
        self.imports.touch()
        (path / "slow_to_import.py").write_text(SLOW_TO_IMPORT)
        (path / "a_run.py").write_text(RUN)

    def env(self, **more: str) -> dict[str, str]:
        """Return the environment of a process that belongs to this home."""
        own = {
            "SLUICE_HOME": str(self.path),
            "IMPORTS": str(self.imports),
            "PYTHONPATH": f"{ROOT}:{self.path}",
        }
        return {**os.environ, **own, **more}

    def start(self, act: str) -> subprocess.Popen[str]:
        """Start a run as the worker does."""
        return subprocess.Popen(
            (sys.executable, "-c", COMMAND),
            env=self.env(WHOSE="the run's", ACT=act),
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, act: str) -> tuple[int, list[str], str]:
        """Run one to its end; return its status, the words of its first line and what it said on stderr."""
        command = self.start(act)
        said, complained = command.communicate(timeout=120)
        return command.returncode, said.splitlines()[0].rsplit(" ", 2), complained


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def worker(home: Home) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        (sys.executable, "-c", WORKER),
        env=home.env(WORKERS_OWN="not the run's"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "worker\n"
        yield process
        process.kill()


def is_soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def answers(home: Home) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(socket_file(home.path))) == 0


def pid_of(command: subprocess.Popen[str]) -> int:
    """Return the process id of the run itself, once it has said it."""
    assert command.stdout is not None
    return int(command.stdout.readline().split()[-1])


@pytest.mark.usefixtures("worker")
def test_a_copy_has_the_place_of_the_command_that_asked_for_it(home: Home) -> None:
    for code in (0, 3):
        status, said, complained = home.run(f"exit {code}")
        assert (status, complained) == (code, "to stderr\n")
        assert said[:2] == [f"{home.path} the run's", "None"]
    assert home.imports.read_text().count("imported") == 1


@pytest.mark.usefixtures("worker")
def test_a_copy_does_at_its_end_what_an_interpreter_does(home: Home) -> None:
    command = home.start("end")
    said, _ = command.communicate(timeout=120)
    assert said.splitlines()[1:] == ["thread", "registered"]
    assert command.returncode == 0
    status, _, complained = home.run("words")
    assert (status, complained.splitlines()[-1]) == (1, "why it ends")


@pytest.mark.usefixtures("worker")
def test_an_error_is_a_traceback_and_status_1(home: Home) -> None:
    status, _, complained = home.run("raise")
    assert status == 1
    assert "ValueError: as it comes" in complained


@pytest.mark.usefixtures("worker")
def test_a_signal_reaches_the_copy(home: Home) -> None:
    command = home.start("wait never")
    pid_of(command)
    command.send_signal(signal.SIGTERM)
    said, _ = command.communicate(timeout=60)
    assert (command.returncode, said) == (7, "told to end\n")


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_copy_that_dies_of_a_signal_takes_its_command_along(home: Home, number: signal.Signals) -> None:
    assert home.run(f"die {number.value}")[0] == -number


@pytest.mark.usefixtures("worker")
def test_a_command_that_is_killed_takes_its_copy_along(home: Home) -> None:
    command = home.start("wait never")
    copy = pid_of(command)
    command.kill()
    command.communicate(timeout=60)
    assert is_soon(lambda: not lives(copy))
    # The server has survived it.
    assert home.run("exit 0")[0] == 0
    assert home.imports.read_text().count("imported") == 1


def test_a_run_outlives_its_worker_and_the_next_one_needs_none(
    home: Home, worker: subprocess.Popen[str]
) -> None:
    command = home.start("wait end")
    copy = pid_of(command)
    worker.kill()
    worker.wait(60)
    assert is_soon(lambda: not answers(home))
    assert home.run("exit 0")[0] == 0
    assert home.imports.read_text().count("imported") == 2
    assert lives(copy)
    (home.path / "end").touch()
    command.communicate(timeout=60)
    assert command.returncode == 0


def test_without_a_server_the_command_does_it_itself(home: Home) -> None:
    assert home.run("exit 3")[0] == 3
    assert home.imports.read_text().count("imported") == 1


def test_a_server_that_ends_before_it_answers_is_done_without(home: Home) -> None:
    socket_file(home.path).parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_file(home.path)))
        listener.listen()
        command = home.start("exit 3")
        listener.accept()[0].close()
        command.communicate(timeout=120)
    assert command.returncode == 3


@pytest.mark.usefixtures("worker")
def test_only_its_own_user_may_ask(home: Home) -> None:
    assert socket_file(home.path).stat().st_mode & 0o777 == 0o600


def test_a_home_too_deep_for_a_socket_is_one_line(tmp_path: Path) -> None:
    home = Home(tmp_path)
    deep = tmp_path / ("deep" * 30)
    done = subprocess.run(
        (sys.executable, "-c", WORKER.replace("time.sleep(600)", "")),
        env=home.env(SLUICE_HOME=str(deep)),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "worker\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("runs start without a fork server")
