"""Starts runs as copies of a process that has imported Prefect and the flows already.

A new interpreter needs seconds to import Prefect, Sluice and what both stand on; a copy (`fork`) of one that did needs
none. The technique is that of `multiprocessing`'s fork server.

The server is a child of the worker, imports once, starts no thread, and forks. The two talk over a pair of sockets that
nobody else has, in lines of JSON: orders in, process ids and exit codes out.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import deployments.control_plane.garbage  # noqa: F401 - before what is imported next
from deployments.control_plane.fast_exit import code_of, end_with

RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"

_CHUNK = 1 << 16
# What Prefect imports only when a flow and its first step begin; one that a later version lacks costs its time alone.
_PREFECT_IMPORTS_LATE = (
    "anyio._backends._asyncio",
    "prefect._internal.observers",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "rich._emoji_codes",
)


@dataclass
class ForkServer:
    """Forks one copy per order, and tells each one's end, to the worker at the other end of a channel."""

    channel: socket.socket
    _copies: dict[int, str] = field(default_factory=dict)
    _received: bytes = b""

    def serve(self) -> dict[str, str] | None:
        """Serve until the worker is gone and every copy has ended; return an order in the copy that gets it.

        An order is the id of a flow run and the working directory for it, as `run` and `folder`.
        """
        wake, woken = os.pipe()
        for end in (wake, woken):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken)
        selector = selectors.DefaultSelector()
        for source in (self.channel, wake):
            selector.register(source, selectors.EVENT_READ)
        listening = True
        while listening or self._copies:
            ready = {key.fileobj for key, _ in selector.select()}
            if wake in ready:
                os.read(wake, _CHUNK)
            orders = self._read() if self.channel in ready else []
            if orders is None:
                listening = False
                selector.unregister(self.channel)
            for order in orders or ():
                if self._obey(order):
                    signal.set_wakeup_fd(-1)
                    selector.close()
                    self.channel.close()
                    os.close(wake)
                    os.close(woken)
                    return order
            self._tell_ends()
        return None

    def _read(self) -> list[dict[str, str]] | None:
        """Read the whole lines that have come; None when the worker is gone."""
        try:
            more = self.channel.recv(_CHUNK)
        except OSError:
            more = b""
        if not more:
            return None
        *lines, self._received = (self._received + more).split(b"\n")
        return [json.loads(line) for line in lines]

    def _obey(self, order: dict[str, str]) -> bool:
        """Fork a copy that is to carry an order out; True in the copy."""
        run = order["run"]
        try:
            copy = os.fork()
        except OSError as error:
            self._say(run=run, error=str(error))
            return False
        if copy:
            self._copies[copy] = run
            self._say(run=run, pid=copy)
        return copy == 0

    def _tell_ends(self) -> None:
        for copy in tuple(self._copies):
            ended, status = os.waitpid(copy, os.WNOHANG)
            if ended:
                self._say(run=self._copies.pop(copy), code=os.waitstatus_to_exitcode(status))

    def _say(self, **what: object) -> None:
        with contextlib.suppress(OSError):
            self.channel.sendall(json.dumps(what).encode() + b"\n")


def serve(channel: int, prepare: Callable[[], None], carry_out: Callable[[str], None]) -> None:
    """Be a fork server until the worker is gone; each copy returns from here with its end decided.

    Args:
        channel: The file descriptor of its end of the pair of sockets.
        prepare: Imports and computes once what each copy would.
        carry_out: Is given the flow run's id in a copy.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Orders that come before this is done wait in the socket.
    prepare()
    gc.collect()
    gc.freeze()
    order = ForkServer(socket.socket(fileno=channel)).serve()
    if order is None:
        return
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ[RUN_VARIABLE] = order["run"]
    os.chdir(order["folder"])
    try:
        carry_out(order["run"])
    except SystemExit as ended:
        code = code_of(ended)
        if code is not None:
            end_with(code)
        raise
    end_with(0)


def _read_ahead() -> None:
    """Read what each run would read anew, and put together what each would."""
    from deployments.control_plane.known_flows import KNOWN_FLOWS

    for module in _PREFECT_IMPORTS_LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    for flow in sorted(KNOWN_FLOWS):
        importlib.import_module(flow.rpartition(".")[0])
    from sqlalchemy.orm import configure_mappers

    from tasks.kernel.tls import authorities

    authorities()
    configure_mappers()


def _carry_out(run: str) -> None:
    from deployments.control_plane.known_flows import carry_out

    carry_out(run)


if __name__ == "__main__":
    serve(int(sys.argv[1]), _read_ahead, _carry_out)
