"""Starts runs as copies of a process that has imported Prefect and the flows already.

A new interpreter needs seconds to import Prefect, Sluice and what both stand on; a copy (`fork`) of one that did needs
none. The technique is that of `multiprocessing`'s fork server; Prefect's worker knows only commands, so
`deployments.control_plane.engine` is the command that asks for a copy, lends it its place, and ends as it ends.

The server is a child of the worker, imports once, starts no thread, and forks. It listens on a socket in the home
folder that only its own user may open.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from deployments.control_plane.ending import code_of, end_with

_LENGTH = struct.Struct("!I")
_NUMBER = struct.Struct("!i")
_CREDENTIALS = struct.Struct("3i")
_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.5
_LONGEST_REQUEST = 4 << 20
# What a run imports: the first three by `prefect.engine` itself, the next five when a flow and its first step begin.
RUNS_IMPORT = (
    "prefect._internal.control_listener",
    "prefect._internal.metrics",
    "prefect.flow_engine",
    "anyio._backends._asyncio",
    "prefect._internal.observers",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "rich._emoji_codes",
    "flows.promotion.flow",
    "flows.drift.flow",
    "flows.promotion.redeploy",
    "flows.rollback.flow",
    "flows.watch.flow",
)


def socket_file(home: Path) -> Path:
    """Return where the fork server of a home folder listens."""
    return home / "run" / "runs.sock"


@dataclass(frozen=True)
class Order:
    """What a copy should be.

    Attributes:
        module: What it runs, as `python -m` does.
        environment: Its whole environment.
        folder: Its working directory.
        output: Its standard input, output and error.
    """

    module: str
    environment: dict[str, str]
    folder: str
    output: tuple[int, int, int]


def send_order(connection: socket.socket, order: Order) -> None:
    """Ask a fork server for a copy.

    Args:
        connection: A connection to it.
        order: What the copy should be.
    """
    asked = {"module": order.module, "environment": order.environment, "folder": order.folder}
    text = json.dumps(asked).encode()
    socket.send_fds(connection, [_LENGTH.pack(len(text))], order.output)
    connection.sendall(text)


def read_number(connection: socket.socket) -> int | None:
    """Wait for the next number a fork server says: the copy's process id, then its exit code as Python gives it.

    Returns:
        The number, None when the server is gone.
    """
    with contextlib.suppress(OSError):
        return int(_NUMBER.unpack(_receive(connection, _NUMBER.size))[0])
    return None


def _receive(connection: socket.socket, length: int) -> bytes:
    said = b""
    while len(said) < length:
        more = connection.recv(length - len(said))
        if not more:
            raise ConnectionResetError("the other side is gone")
        said += more
    return said


@dataclass
class ForkServer:
    """Forks one copy per order, and tells each one's end.

    Args:
        listener: Where orders come in.
        lifeline: Readable when the worker is gone.
    """

    listener: socket.socket
    lifeline: int
    _copies: dict[int, socket.socket] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def serve(self) -> Order | None:
        """Serve until the worker is gone and every copy has ended.

        Returns:
            An order in the copy that is to carry it out, None in the server, at its end.
        """
        wake, woken = os.pipe()
        for end in (wake, woken):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken)
        for source in (self.listener, self.lifeline, wake):
            self._selector.register(source, selectors.EVENT_READ)
        listening = True
        while listening or self._copies:
            for key, _ in self._selector.select():
                if key.fileobj is self.listener:
                    order = self._accept((wake, woken)) if listening else None
                    if order is not None:
                        return order
                elif key.fileobj == wake:
                    os.read(wake, 4096)
                elif key.fileobj == self.lifeline:
                    listening = False
                    self._selector.unregister(self.lifeline)
                    self._selector.unregister(self.listener)
                    self.listener.close()
                else:
                    self._abandoned(int(key.data))
            self._tell_ends()
        return None

    def _accept(self, pipe: tuple[int, int]) -> Order | None:
        try:
            connection, _ = self.listener.accept()
        except OSError as error:
            # Whoever asked has gone, or there is no room for another open file: it waits in line until there is.
            sys.stderr.write(f"an order for a run waits: {error}\n")
            time.sleep(_PAUSE_SECONDS)
            return None
        connection.settimeout(_PATIENCE_SECONDS)
        order = _read_order(connection)
        copy = None if order is None else _fork()
        if order is not None and copy == 0:
            signal.set_wakeup_fd(-1)
            self._selector.close()
            for other in (connection, self.listener, *self._copies.values()):
                other.close()
            for end in (*pipe, self.lifeline):
                os.close(end)
            return order
        for end in order.output if order is not None else ():
            os.close(end)
        if copy is None:
            # Its command is told nothing and does the work itself.
            connection.close()
            return None
        self._copies[copy] = connection
        self._selector.register(connection, selectors.EVENT_READ, copy)
        self._say(copy, copy)
        return None

    def _abandoned(self, copy: int) -> None:
        """End a copy whose command was killed: nobody would learn of its end."""
        self._selector.unregister(self._copies[copy])
        with contextlib.suppress(ProcessLookupError):
            os.kill(copy, signal.SIGKILL)

    def _tell_ends(self) -> None:
        for copy in tuple(self._copies):
            ended, status = os.waitpid(copy, os.WNOHANG)
            if ended:
                self._say(copy, os.waitstatus_to_exitcode(status))
                connection = self._copies.pop(copy)
                with contextlib.suppress(KeyError):
                    self._selector.unregister(connection)
                connection.close()

    def _say(self, copy: int, number: int) -> None:
        with contextlib.suppress(OSError):
            self._copies[copy].sendall(_NUMBER.pack(number))


def _fork() -> int | None:
    """Fork; None where the machine has no room for another process."""
    try:
        return os.fork()
    except OSError as error:
        sys.stderr.write(f"no copy for a run, it starts without one: {error}\n")
        return None


def _read_order(connection: socket.socket) -> Order | None:
    """Read an order of this user's; None for anything else."""
    output: list[int] = []
    try:
        said, output, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        (length,) = _LENGTH.unpack(said)
        if _CREDENTIALS.unpack(credentials)[1] != os.getuid() or length > _LONGEST_REQUEST:
            raise ValueError("not an order")
        asked = json.loads(_receive(connection, length))
        given, taken, told = output
        return Order(asked["module"], dict(asked["environment"]), asked["folder"], (given, taken, told))
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        for end in output:
            os.close(end)
        return None


def _listen(path: Path) -> socket.socket | None:
    """Open the socket; None where there cannot be one, such as under a path that is too long."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen()
    except OSError as error:
        listener.close()
        sys.stderr.write(f"runs start without a fork server, a few seconds later: {error}\n")
        return None
    return listener


def start_beside_worker(
    home: Path, modules: Sequence[str] = RUNS_IMPORT, prepare: Callable[[], None] = lambda: None
) -> None:
    """Fork the server from this process, which is to be the worker; it must not have started a thread yet.

    Args:
        home: Sluice's home folder.
        modules: What the server imports once for all its copies.
        prepare: What it does once for all of them, after that.
    """
    # Listening before it has imported lets the first run wait for the imports instead of doing them again.
    listener = _listen(socket_file(home))
    if listener is None:
        return
    lifeline, held = os.pipe()
    if os.fork():
        # Held by this process alone: closed when it ends, however it ends, or becomes another program.
        listener.close()
        os.close(lifeline)
        return
    os.close(held)
    _be_the_server(ForkServer(listener, lifeline), modules, prepare)


def _be_the_server(server: ForkServer, modules: Sequence[str], prepare: Callable[[], None]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in modules:
        importlib.import_module(module)
    prepare()
    gc.collect()
    gc.freeze()
    order = server.serve()
    if order is not None:
        _carry_out(order)
    sys.exit()


def _carry_out(order: Order) -> None:
    """Become the process that `python -m` with the module would have been."""
    from deployments.control_plane.connect import refresh_prefect

    os.setsid()
    for number, end in enumerate(order.output):
        os.dup2(end, number)
        os.close(end)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.folder)
    refresh_prefect()
    sys.argv = [order.module]
    # It may have been imported as a part of something else; as the main module it runs again.
    sys.modules.pop(order.module, None)
    try:
        runpy.run_module(order.module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = code_of(ended)
        if code is not None:
            end_with(code)
        raise
    end_with(0)
