"""Copies of a process that has imported already: they do, and end, as a new interpreter would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deployments.control_plane.run_processes import RunProcess, RunProcesses

SERVER = """
import atexit, os, signal, sys, threading, time
from deployments.control_plane.forkserver import serve

def prepare():
    with open("imports", "a") as imports:
        imports.write("imported\\n")

def leave(number, frame):
    print("told to end", flush=True)
    sys.exit(7)

def carry_out(act):
    signal.signal(signal.SIGTERM, leave)
    print(os.getcwd(), os.environ["PREFECT__FLOW_RUN_ID"], os.getpid() == os.getsid(0), flush=True)
    match act.split():
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
        case ["wait", *_]:
            until = time.monotonic() + 120
            while not os.path.exists("end") and time.monotonic() < until:
                time.sleep(0.05)

serve(int(sys.argv[1]), prepare, carry_out)
"""


class Home:
    """A folder with a fork server whose runs are named by what they do; all they say is in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = RunProcesses((sys.executable, "-c", SERVER))

    @property
    def imports(self) -> int:
        return (self.path / "imports").read_text().count("imported")

    async def run(self, act: str) -> int:
        return await (await self.start(act)).ended

    async def start(self, act: str) -> RunProcess:
        return await asyncio.wait_for(self.server.start(act, self.path), 60)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path)
    yield home
    if home.server._server is not None:
        home.server._server.kill()
        home.server._server.wait(60)


async def is_soon(true: Callable[[], bool]) -> bool:
    for _ in range(1200):
        if true():
            return True
        await asyncio.sleep(0.05)
    return False


def test_a_copy_is_a_process_of_its_own_with_the_runs_id(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    async def play() -> None:
        assert [await home.run(f"exit {code}") for code in (0, 3)] == [0, 3]

    asyncio.run(play())
    assert capfd.readouterr().out == f"{home.path} exit 0 True\n{home.path} exit 3 True\n"
    assert home.imports == 1


def test_a_copy_does_at_its_end_what_an_interpreter_does(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    async def play() -> None:
        assert [await home.run(act) for act in ("end", "words", "raise")] == [0, 1, 1]
        assert [await home.run(f"die {number}") for number in (9, 6)] == [-9, -6]

    asyncio.run(play())
    said = capfd.readouterr()
    assert said.out.splitlines()[1:3] == ["thread", "registered"]
    assert said.err.startswith("why it ends\n")
    assert "ValueError: as it comes" in said.err


def test_a_signal_reaches_the_copy_it_is_for(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    async def play() -> None:
        one, other = await home.start("wait one"), await home.start("wait other")
        # It speaks once its handler is there.
        assert await is_soon(lambda: "wait one" in capfd.readouterr().out)
        one.running.send(signal.SIGTERM)
        assert await asyncio.wait_for(one.ended, 60) == 7
        assert not other.ended.done()
        other.running.send(signal.SIGKILL)
        assert await asyncio.wait_for(other.ended, 60) == -9

    asyncio.run(play())
    assert "told to end" in capfd.readouterr().out


@asynccontextmanager
async def server_killed_under(home: Home) -> AsyncIterator[RunProcess]:
    """Give a process whose fork server is no more."""
    process = await home.start("wait")
    server = home.server._server
    assert server is not None
    server.kill()
    server.wait(60)
    yield process


def test_a_fork_server_that_died_is_started_again(home: Home) -> None:
    async def play() -> None:
        async with server_killed_under(home) as process:
            assert await home.run("exit 3") == 3
            assert home.imports == 2
            # Nobody knows any more how it ends, only that it does.
            assert process.running.alive()
            (home.path / "end").touch()
            assert await asyncio.wait_for(process.ended, 60) == 1

    asyncio.run(play())


def test_an_order_that_a_dying_server_took_is_an_error(home: Home) -> None:
    home.server = RunProcesses((sys.executable, "-c", "import time; time.sleep(0.2)"))
    with pytest.raises(OSError, match="the fork server is gone"):
        asyncio.run(home.start("exit 0"))


def test_a_run_outlives_its_worker(home: Home) -> None:
    """The worker's end closes its side, however it ends."""

    async def play() -> None:
        process = await home.start("wait")
        server = home.server._server
        assert server is not None
        assert home.server._writer is not None
        home.server._writer.close()
        await asyncio.sleep(0.5)
        assert process.running.alive()
        assert server.poll() is None
        (home.path / "end").touch()
        assert await is_soon(lambda: not process.running.alive())
        assert await is_soon(lambda: server.poll() == 0)

    asyncio.run(play())


def test_nobody_else_can_reach_it(home: Home) -> None:
    async def play() -> None:
        await home.run("exit 0")
        assert [path.name for path in home.path.iterdir()] == ["imports"]
        assert home.server._channel is not None
        assert not os.get_inheritable(home.server._channel.fileno())

    asyncio.run(play())
