"""The command of a run: `prefect.engine` with Sluice's flows alone, from the worker's fork server where there is one.

Only the standard library is imported here, and little of it: this process waits while its copy works.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from deployments.control_plane.forkserver import Order, read_number, send_order, socket_file

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(module: str = "deployments.control_plane.known_flows") -> NoReturn:
    """Carry out a module, by default the run that `PREFECT__FLOW_RUN_ID` names, and end as it ends.

    Args:
        module: What is run, as `python -m` does.
    """
    connection = _connect()
    if connection is None:
        _run_here(module)
    # A server that ends meanwhile, as its worker does, takes the order no more; then it has no number to say either.
    with contextlib.suppress(OSError):
        send_order(connection, Order(module, dict(os.environ), str(Path.cwd()), (0, 1, 2)))
    copy = read_number(connection)
    if copy is None:
        _run_here(module)
    for number in _FORWARDED:
        signal.signal(number, lambda got, _frame: _forward(copy, got))
    _end_as(_wait(connection, copy))


def _connect() -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(socket_file(Path(os.environ["SLUICE_HOME"]))))
    except (OSError, KeyError):
        connection.close()
        return None
    return connection


def _run_here(module: str) -> NoReturn:
    os.execv(sys.executable, (sys.executable, "-m", module))  # noqa: S606 - what the worker asked for


def _forward(copy: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(copy, number)


def _wait(connection: socket.socket, copy: int) -> int:
    """Wait for the copy's end; return its exit code, 1 when the server that knew it died before it."""
    try:
        watch = os.pidfd_open(copy)
    except ProcessLookupError:
        watch = None
    code = read_number(connection)
    if code is None and watch is not None:
        select.select([watch], [], [])
    return 1 if code is None else code


def _end_as(code: int) -> NoReturn:
    if code < 0:
        # The worker reads how its command ended, so it dies of the same signal.
        number = signal.Signals(-code)
        if number is not signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(code)


if __name__ == "__main__":
    main()
