"""Lets a test kill a run's process in the middle of a step.

Python imports this at its start where its folder is on PYTHONPATH. It does nothing unless `SLUICE_TEST_KILLS` names a
file that exists. That file's first line, `STEP MOMENT`, says where the process kills itself with SIGKILL: `before` the
step's change, `during` it, or `after` it and before the journal knows. A line is struck out when it was obeyed, so
that the next process goes on to the next one.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

DURING_SECONDS = 0.4


def arm(plan: Path) -> None:
    """Watch the journal of this process for the first line of the plan."""
    from tasks.ledger.journal import Steps

    lock = threading.Lock()
    start, finish = Steps.start, Steps.finish

    def die_at(step: str, moment: str) -> None:
        with lock:
            lines = plan.read_text().splitlines()
            if not lines or lines[0].split() != [step, moment]:
                return
            plan.write_text("".join(f"{line}\n" for line in lines[1:]))
            with plan.with_suffix(".done").open("a") as done:
                done.write(f"{step} {moment} {time.time()}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def watched_start(self: Steps, promotion_id: int, name: str, *rest: Any, **more: Any) -> Any:
        record = start(self, promotion_id, name, *rest, **more)
        die_at(name, "before")
        timer = threading.Timer(DURING_SECONDS, die_at, (name, "during"))
        timer.daemon = True
        timer.start()
        return record

    def watched_finish(self: Steps, promotion_id: int, name: str, *rest: Any, **more: Any) -> Any:
        die_at(name, "after")
        return finish(self, promotion_id, name, *rest, **more)

    vars_of: Any = Steps
    vars_of.start, vars_of.finish = watched_start, watched_finish


if Path(os.environ.get("SLUICE_TEST_KILLS", "/nonexistent")).exists():
    arm(Path(os.environ["SLUICE_TEST_KILLS"]))
