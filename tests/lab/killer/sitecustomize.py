"""Lets a test kill a run's process in the middle of a step.

Python imports this at its start where its folder is on PYTHONPATH. It does nothing unless `SLUICE_TEST_KILLS` names a
file that exists when a step begins or ends. That file's lines, `STEP MOMENT`, say where the process kills itself with
SIGKILL: `before` the step's change, `during` it, or `after` it and before the journal knows. A line is struck out when
it was obeyed, so that the next process goes on to the next one.

The lines may be obeyed in any order: steps that run side by side come to their moments in one. No line is missed: a
step that is over before `during` came is cut as it ends, and only a step whose lines are struck out is journaled.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

# So long after its journal row `up` replaces containers, on a machine that has little else to do.
DURING_SECONDS = 0.8


def arm(plan: Path, steps: Any) -> None:
    """Watch the journal of this process for the lines of the plan."""
    lock = threading.Lock()
    start, finish = steps.start, steps.finish

    def die_at(step: str, *moments: str) -> None:
        # Whoever strikes a line keeps the lock to its death, so no process obeys two.
        with lock:
            lines = plan.read_text().splitlines() if plan.exists() else []
            due = next((line for line in lines if line in {f"{step} {moment}" for moment in moments}), None)
            if due is None:
                return
            lines.remove(due)
            plan.write_text("".join(f"{line}\n" for line in lines))
            with plan.with_suffix(".done").open("a") as done:
                done.write(f"{due} {time.time()}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def watched_start(self: Any, promotion_id: int, name: str, *rest: Any, **more: Any) -> Any:
        record = start(self, promotion_id, name, *rest, **more)
        die_at(name, "before")
        timer = threading.Timer(DURING_SECONDS, die_at, (name, "during"))
        timer.daemon = True
        timer.start()
        return record

    def watched_finish(self: Any, promotion_id: int, name: str, *rest: Any, **more: Any) -> Any:
        die_at(name, "during", "after")
        return finish(self, promotion_id, name, *rest, **more)

    steps.start, steps.finish = watched_start, watched_finish


class ArmedWhenImported(importlib.abc.MetaPathFinder):
    """Arms the journal when a process imports it; most processes never do."""

    def __init__(self, plan: Path) -> None:
        self.plan = plan

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find the journal as Python does, and arm it after it ran."""
        if name != "tasks.ledger.journal":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        run = spec.loader.exec_module

        def run_and_arm(module: ModuleType) -> None:
            run(module)
            arm(self.plan, module.__dict__["Steps"])

        vars(spec.loader)["exec_module"] = run_and_arm
        return spec


if "SLUICE_TEST_KILLS" in os.environ:
    sys.meta_path.insert(0, ArmedWhenImported(Path(os.environ["SLUICE_TEST_KILLS"])))
