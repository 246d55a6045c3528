"""What the harness plants in the processes of runs: they die, wait or lose the time in the middle of a step.

Python imports this at its start where its folder is on PYTHONPATH. It does nothing unless `SLUICE_FAULTS_ORDERS` names
a file that exists when a step begins or ends. Each of its lines is an order, `STEP ACTION [ARGUMENT]`; the first is
obeyed once, when its step comes:

- `kill`: the process kills itself with SIGKILL in the middle of the step: some moments after its journal row was
  written, or, in a shorter step, when its change is done and the journal does not know yet.
- `hold`: the step begins, its row is written, and its change waits until the file named like the orders with the ending
  `.held` is gone.
- `clock`: from here on the process reads a clock that is wrong by so many seconds.
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
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

KILL_SECONDS = 0.4
_POLL_SECONDS = 0.02

_clock = {"wrong_by": 0.0}


class Orders:
    """The orders this process obeys.

    Args:
        path: The file they stand in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def begin(self, step: str) -> None:
        """Obey what is ordered for a step whose row was just written."""
        while (order := self._take(step, "hold", "clock")) is not None:
            if order[1] == "clock":
                _clock["wrong_by"] = float(order[2])
            else:
                self._wait()
        if self._first(step, "kill"):
            timer = threading.Timer(KILL_SECONDS, self.end, (step,))
            timer.daemon = True
            timer.start()

    def end(self, step: str) -> None:
        """Die where that is ordered for a step whose change is done."""
        if self._take(step, "kill") is not None:
            os.kill(os.getpid(), signal.SIGKILL)

    def _first(self, step: str, *actions: str) -> list[str] | None:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        words = lines[0].split() if lines else []
        return words if words[:1] == [step] and words[1] in actions else None

    def _take(self, step: str, *actions: str) -> list[str] | None:
        """Strike out the first order, if it is for this step and one of these actions, and note when."""
        with self._lock:
            order = self._first(step, *actions)
            if order is None:
                return None
            rest = self._path.read_text().splitlines()[1:]
            if order[1] == "hold":
                self._path.with_suffix(".held").touch()
            with self._path.with_suffix(".obeyed").open("a") as obeyed:
                obeyed.write(f"{time.time()} {' '.join(order)}\n")
            self._path.write_text("".join(f"{line}\n" for line in rest))
            return order

    def _wait(self) -> None:
        while self._path.with_suffix(".held").exists():
            time.sleep(_POLL_SECONDS)


def watch_journal(module: ModuleType, orders: Orders) -> None:
    """Have the journal tell when a step begins and ends."""
    steps = module.__dict__["Steps"]
    start, finish = steps.start, steps.finish

    def watched_start(self: Any, promotion_id: int, name: str, *rest: Any, **more: Any) -> Any:
        record = start(self, promotion_id, name, *rest, **more)
        orders.begin(name)
        return record

    def watched_finish(self: Any, promotion_id: int, name: str, *rest: Any, **more: Any) -> Any:
        orders.end(name)
        return finish(self, promotion_id, name, *rest, **more)

    steps.start, steps.finish = watched_start, watched_finish


def watch_clock(module: ModuleType) -> None:
    """Have whoever asks for the time later be told a wrong one, once that is ordered."""
    right: Callable[[], datetime] = module.__dict__["utc_now"]

    def utc_now() -> datetime:
        return right() + timedelta(seconds=_clock["wrong_by"])

    module.__dict__["utc_now"] = utc_now


class WatchedWhenImported(importlib.abc.MetaPathFinder):
    """Changes two modules when a process imports them; most processes never do."""

    def __init__(self, path: Path) -> None:
        orders = Orders(path)
        self._changes: dict[str, Callable[[ModuleType], None]] = {
            "tasks.ledger.journal": lambda module: watch_journal(module, orders),
            "tasks.kernel.clock": watch_clock,
        }

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module as Python does, and change it after it ran."""
        change = self._changes.get(name)
        if change is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        run = spec.loader.exec_module

        def run_and_change(module: ModuleType) -> None:
            run(module)
            change(module)

        vars(spec.loader)["exec_module"] = run_and_change
        return spec


if "SLUICE_FAULTS_ORDERS" in os.environ:
    sys.meta_path.insert(0, WatchedWhenImported(Path(os.environ["SLUICE_FAULTS_ORDERS"])))
