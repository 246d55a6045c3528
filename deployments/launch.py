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
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.environment import process_file

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

_PAUSE_SECONDS = 5.0


def main(arguments: list[str]) -> None:
    """Run `prefect` with these arguments in this process.

    A worker gives up when its server stays away for minutes. It is started again under the same process id, as
    long as it is written down as the one that should run.

    Args:
        arguments: What would follow `prefect` on the command line.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from prefect.cli import app

    if arguments[:1] == ["server"]:
        calm_the_scheduler()
        announce_writes()
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


def calm_the_scheduler() -> None:
    """Let the server's task scheduler look once a second, not four times.

    Prefect's server keeps its periodic work in pydocket, whose in-memory queue runs a Lua script in each look: on a
    small machine that alone is a tenth of a core. Prefect has no setting for it, so the class it takes the
    scheduler from is wrapped.
    """
    from docket import Worker
    from prefect.server.api import background_workers

    vars(background_workers)["Worker"] = partial(Worker, scheduling_resolution=timedelta(seconds=1))


def announce_writes() -> None:
    """Let transactions of the server's SQLite database wait for each other instead of failing.

    Prefect begins most of its writing transactions as readers (`BEGIN DEFERRED`). SQLite refuses one that wants to
    write after another has written meanwhile, at once and whatever the timeout: an answer to a run that waits, or a
    worker's heartbeat, then fails with `database is locked`. Begun as writers (`BEGIN IMMEDIATE`), they queue up.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_transaction(
        self: AioSqliteConfiguration,
        session: AsyncSession,
        with_for_update: bool = False,  # noqa: FBT001, FBT002 - the signature it replaces
    ) -> AbstractAsyncContextManager[AsyncSessionTransaction]:
        del with_for_update
        return begin(self, session, with_for_update=True)

    setattr(AioSqliteConfiguration, begin.__name__, begin_transaction)


if __name__ == "__main__":
    main(sys.argv[1:])
