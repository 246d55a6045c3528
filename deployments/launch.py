"""Runs Prefect's own command line with signals as a terminal would give them.

A shell that starts a command in the background without job control makes it ignore SIGINT, and what is
ignored stays so in every descendant. Prefect's worker turns SIGTERM into SIGINT, so it would never stop.
Started through this module it always does.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from deployments.client_tuning import share_certificates
from deployments.environment import process_file
from deployments.forkserver import start_beside_worker
from deployments.server_tuning import announce_writes, calm_the_scheduler
from deployments.worker_tuning import let_runs_come_back

_PAUSE_SECONDS = 5.0


def main(arguments: list[str]) -> None:
    """Run `prefect` with these arguments in this process.

    A worker gives up when its server stays away for minutes. It is started again under the same process id, as
    long as it is written down as the one that should run.

    Args:
        arguments: What would follow `prefect` on the command line.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if arguments[:1] == ["worker"]:
        start_beside_worker(Path(os.environ["SLUICE_HOME"]), prepare=share_certificates)
    from prefect.cli import app

    if arguments[:1] == ["server"]:
        calm_the_scheduler()
        announce_writes()
    if arguments[:1] == ["worker"]:
        share_certificates()
        let_runs_come_back()
    sys.argv = ["prefect", *arguments]
    try:
        app()
    except SystemExit as ended:
        if not ended.code or arguments[:1] != ["worker"]:
            raise
    else:
        return
    time.sleep(_PAUSE_SECONDS)
    if not process_file(Path(os.environ["SLUICE_HOME"]), "worker").exists():
        raise SystemExit(1)
    sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the very command this process was started with


if __name__ == "__main__":
    main(sys.argv[1:])
