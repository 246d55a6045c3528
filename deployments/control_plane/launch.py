"""Runs Prefect's server or worker with signals as a terminal would give them.

A shell that starts a command in the background without job control makes it ignore SIGINT, and what is
ignored stays so in every descendant. Prefect's worker turns SIGTERM into SIGINT, so it would never stop.
Started through this module it always does.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

# What is registered first for the end is done last.
import deployments.control_plane.fast_exit
import deployments.control_plane.garbage  # noqa: F401 - before what is imported next
from deployments.control_plane.environment import POOL, process_file
from deployments.control_plane.login import CLIENT, keep_out_of_logs
from deployments.control_plane.prefect_api import PrefectApi
from deployments.control_plane.run_processes import run_processes
from deployments.control_plane.server import serve
from tasks.kernel.errors import SluiceError

_PAUSE_SECONDS = 5.0
_FIRST_SECONDS = 60.0
_AGAIN = "SLUICE_WORKER_STARTED_AGAIN"


def main(arguments: list[str]) -> None:
    """Run Prefect's server for `server` and its sockets' numbers, else `prefect` with these arguments: a worker.

    A worker gives up when its server stays away for minutes. It is started again under the same process id, as
    long as it is written down as the one that should run. One that ends as soon as it was first started would end
    each time: it stays down, and whoever waits for it is told.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    keep_out_of_logs(os.environ.get(CLIENT, ""))
    if arguments[0] == "server":
        from deployments.control_plane.sqlite import queue_writes

        queue_writes()
        serve(map(int, arguments[1:]))
        return
    _reap()
    # Beside the imports here it does its own.
    run_processes().open()
    _keep_temporary_files_at(Path(os.environ["SLUICE_HOME"]) / "tmp")
    from prefect.cli import app

    # Its type is known so even where Sluice was not installed anew since the entry point is there.
    import deployments.control_plane.worker  # noqa: F401

    sys.argv = ["prefect", *arguments]
    try:
        app()
    except SystemExit as ended:
        if not ended.code:
            raise
    else:
        return
    _say_what_is_refused()
    if _AGAIN not in os.environ and time.monotonic() - began < _FIRST_SECONDS:
        raise SystemExit(1)
    os.environ[_AGAIN] = "1"
    time.sleep(_PAUSE_SECONDS)
    if not process_file(Path(os.environ["SLUICE_HOME"]), "worker").exists():
        raise SystemExit(1)
    sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the very command this process was started with


def _say_what_is_refused() -> None:
    """Say in one line, the last of the log, where it is the login that is wrong."""
    api = PrefectApi(os.environ["PREFECT_API_URL"], tries=1)
    try:
        api.workers(POOL)
    except SluiceError as error:
        sys.stderr.write(f"sluice: {error}\n")


def _reap() -> None:
    """Wait for what this process id started before it became a new worker: the fork server of the old one."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep_temporary_files_at(folder: Path) -> None:
    """Keep the worker's temporary files apart from other users': Prefect makes a folder of a fixed name among them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
