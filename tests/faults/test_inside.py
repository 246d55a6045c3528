"""What the processes of runs are ordered to do, obeyed in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.faults.orders import Orders

PLAY = """
import sys
from tasks.kernel.clock import utc_now
from blocks.values.lifecycle import Kind
from blocks.values.receipts import StepReceipt
from tasks.ledger.store import Ledger

before = utc_now()
with Ledger.open(sys.argv[1]) as ledger:
    row = ledger.promotions.open(
        pipeline="shop", environment="prod", kind=Kind.PROMOTE, ref="", flow_run_id="",
        requested_by="", cause="", now=before,
    )
    for name in sys.argv[2:]:
        ledger.steps.start(row.id, name, "", now=utc_now())
        print("began", name, flush=True)
        ledger.steps.finish(row.id, name, "", receipt=StepReceipt(text=name), now=utc_now())
        print("ended", name, flush=True)
print("passed", round((utc_now() - before).total_seconds() / 3600))
"""


def obey(orders: Orders, folder: Path, *steps: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-c", PLAY, f"sqlite:///{folder / 'ledger.db'}", *steps),
        env={**os.environ, **orders.environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    return process.communicate(timeout=120)[0].splitlines()


def test_without_orders_nothing_happens(tmp_path: Path) -> None:
    with obey(Orders(tmp_path / "orders"), tmp_path, "up") as process:
        assert said(process) == ["began up", "ended up", "passed 0"]


def test_a_short_step_is_killed_before_the_journal_knows_its_end(tmp_path: Path) -> None:
    orders = Orders(tmp_path / "orders")
    orders.clear()
    orders.give("up", "kill")
    with obey(orders, tmp_path, "pull", "up") as process:
        assert said(process) == ["began pull", "ended pull", "began up"]
    assert process.returncode == -9
    assert orders.await_obeyed(1) > 0
    # Obeyed once: the next process goes on.
    with obey(orders, tmp_path, "up") as process:
        assert said(process)[-1] == "passed 0"


def test_a_step_that_is_held_waits_and_a_clock_jumps_from_there_on(tmp_path: Path) -> None:
    orders = Orders(tmp_path / "orders")
    orders.clear()
    orders.give("up", "clock", "7200")
    orders.give("up", "hold")
    with obey(orders, tmp_path, "pull", "up") as process:
        orders.await_obeyed(2)
        assert process.poll() is None
        orders.release()
        assert said(process)[-3:] == ["began up", "ended up", "passed 2"]
