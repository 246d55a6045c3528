"""Of two that would do the same only one goes on, and a killed one stands in nobody's way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tasks.steps.alone import alone

HOLD = """
import pathlib, sys
from tasks.steps.alone import alone
with alone(pathlib.Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


def test_only_one_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run" / "reconcile.lock"
    with alone(path) as first, alone(path) as second:
        assert (first, second) == (True, False)
    with alone(path) as again:
        assert again


def test_a_killed_one_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "reconcile.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with alone(path) as mine:
            assert not mine
        other.kill()
        other.wait()
    with alone(path) as mine:
        assert mine
