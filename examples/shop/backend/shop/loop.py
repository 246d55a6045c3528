"""What the worker and the scheduler have in common: do a thing again and again, and show a sign of life."""

import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

HEARTBEAT = Path("/tmp/heartbeat")
RETRY_SECONDS = 2.0


def run(step: Callable[[], bool], pause_seconds: float) -> None:
    """Call `step` until the process is asked to stop.

    Args:
        step: Does one piece of work and returns whether there may be more of it at once. It shows a sign of
            life only by returning, so that a container that cannot reach its database becomes unhealthy.
        pause_seconds: The time between two steps when there was nothing more to do.
    """
    stop = threading.Event()
    # The first process of a container ignores SIGTERM unless it has a handler.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        try:
            more = step()
            HEARTBEAT.touch()
        except SQLAlchemyError as error:
            log.warning("the database is of no use (%s); trying again", type(error).__name__)
            stop.wait(RETRY_SECONDS)
        else:
            if not more:
                stop.wait(pause_seconds)
    log.info("stopped")
