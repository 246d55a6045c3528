"""Flows of the control plane's own tests: deployed, run, answered, cut."""

from __future__ import annotations

import os
import time
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput


class Form(RunInput):
    """What the trial asks for; the fields are those of an approval."""

    approver: str
    decision: str
    code: str
    reason: str = ""


@flow
def ask() -> str:
    """Wait for one answer and repeat it."""
    given = suspend_flow_run(wait_for_input=Form, timeout=600, key="answer")
    get_run_logger().info("%s said %s", given.approver, given.decision)
    return given.decision


@flow
def last(seconds: float) -> None:
    """Last for some time, and tell what somebody may have slipped in."""
    get_run_logger().info("lasting in %s with %s", Path.cwd(), os.environ.get("SLIPPED_IN"))
    time.sleep(seconds)
