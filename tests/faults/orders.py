"""What the processes of runs are ordered to do in a step; `tests/faults/inside` obeys it there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import wait_until

INSIDE = Path(__file__).parent / "inside"
VARIABLE = "SLUICE_FAULTS_ORDERS"
STEP_SECONDS = 240


@dataclass(frozen=True)
class Orders:
    """The orders to the processes of runs.

    Attributes:
        path: The file they stand in, one a line.
    """

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make the processes of runs obey."""
        before = os.environ.get("PYTHONPATH", "")
        return {
            VARIABLE: str(self.path),
            "PYTHONPATH": ":".join([str(INSIDE), *([before] if before else [])]),
        }

    def give(self, step: str, action: str, argument: str = "") -> None:
        """Order one thing more: `kill`, `hold` or `clock`, in a step."""
        with self.path.open("a") as orders:
            orders.write(" ".join((step, action, argument)).strip() + "\n")

    def await_obeyed(self, count: int) -> float:
        """Wait until so many orders were obeyed since the last `clear`; return when the last one was."""
        wait_until(
            lambda: len(self._obeyed()) >= count, f"the obedience to order {count}", seconds=STEP_SECONDS
        )
        return float(self._obeyed()[count - 1].split()[0])

    def release(self) -> None:
        """Let a step that is held go on."""
        self.path.with_suffix(".held").unlink(missing_ok=True)

    def clear(self) -> None:
        """Take back every order, and forget which were obeyed."""
        for ending in (".held", ".obeyed"):
            self.path.with_suffix(ending).unlink(missing_ok=True)
        self.path.write_text("")

    def _obeyed(self) -> list[str]:
        path = self.path.with_suffix(".obeyed")
        return [line for line in path.read_text().splitlines() if line] if path.exists() else []
