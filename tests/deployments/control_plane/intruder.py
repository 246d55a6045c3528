"""A flow that nobody lets in: importing this leaves a trace."""

from __future__ import annotations

import os
from pathlib import Path

from prefect import flow

Path(os.environ["SLUICE_HOME"], "intruder-was-imported").touch()


@flow
def intruder() -> None:
    """Do nothing more."""
