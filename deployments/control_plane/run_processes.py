"""The worker's side of its fork server: starts the processes of runs and learns of their ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from deployments.control_plane import processes
from deployments.control_plane.processes import Running

_SERVER = processes.python("-m", "deployments.control_plane.forkserver")
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class RunProcess:
    """The process of a run.

    Attributes:
        ended: Its exit code as Python gives it: negative for a signal; 1 where nobody could tell.
    """

    running: Running
    ended: asyncio.Future[int]


class RunProcesses:
    """Starts the processes of runs by a fork server, which is started with the first and again when it died."""

    def __init__(self, server: Sequence[str] = _SERVER) -> None:
        self._command = tuple(server)
        self._server: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starting: dict[str, asyncio.Future[RunProcess]] = {}
        self._started: dict[str, RunProcess] = {}

    def open(self) -> None:
        """Start the fork server where none runs; it imports for seconds, and nobody has to wait for it."""
        if self._server is not None and self._server.poll() is None:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(
                (*self._command, str(theirs.fileno())), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        self._channel, self._writer = ours, None

    async def start(self, run: str, folder: Path) -> RunProcess:
        """Start a run's process; an OSError says that the machine has no room for one, or that the fork server died."""
        self.open()
        if self._writer is None:
            reader, self._writer = await asyncio.open_connection(sock=self._channel)
            self._reading = asyncio.create_task(self._read(reader))
        self._starting[run] = asyncio.get_running_loop().create_future()
        try:
            self._say(run=run, folder=str(folder))
            return await self._starting[run]
        finally:
            del self._starting[run]

    def _say(self, **what: object) -> None:
        if self._writer is None or self._writer.is_closing():
            raise ConnectionResetError("the fork server is gone")
        self._writer.write(json.dumps(what).encode() + b"\n")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                self._hear(json.loads(line))
        # The fork server is gone; what it started may go on without it.
        for starting in self._starting.values():
            _settle(starting, ConnectionResetError("the fork server is gone"))
        left = dict(self._started)
        while left:
            for run in [run for run, process in left.items() if not process.running.alive()]:
                _settle(left.pop(run).ended, 1)
                self._started.pop(run, None)
            await asyncio.sleep(_POLL_SECONDS)

    def _hear(self, said: dict[str, Any]) -> None:
        run = said["run"]
        if "code" in said:
            if process := self._started.pop(run, None):
                _settle(process.ended, said["code"])
        elif run not in self._starting:
            # Nobody waits for it any more.
            with suppress(ProcessLookupError):
                os.kill(said["pid"], signal.SIGKILL)
        elif "error" in said:
            _settle(self._starting[run], OSError(said["error"]))
        else:
            running = processes.running(run, said["pid"], log="")
            process = RunProcess(running, asyncio.get_running_loop().create_future())
            self._started[run] = process
            _settle(self._starting[run], process)


def _settle(future: asyncio.Future[Any], what: object) -> None:
    if future.done():
        return
    if isinstance(what, BaseException):
        future.set_exception(what)
    else:
        future.set_result(what)


@lru_cache
def run_processes() -> RunProcesses:
    """Return the one fork server of this process, whoever asks for it first."""
    return RunProcesses()
