"""Where steps write their lines: into the run's log, or the program's own where there is no run."""

from __future__ import annotations

import logging
import sys
from typing import Any


def log() -> logging.LoggerAdapter[Any] | logging.Logger:
    """Return the current run's logger; its lines stand in the Prefect UI. Outside of a run: the program's own.

    A program that has not imported Prefect runs no flow, and must start fast: it is not imported for a line.
    """
    own = logging.getLogger("sluice")
    if "prefect" not in sys.modules:
        return own
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_run_logger

    try:
        return get_run_logger()
    except MissingContextError:
        return own
