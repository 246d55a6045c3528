"""The kills of a plan, obeyed by processes that run steps of one promotion."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

KILLER = Path(__file__).parent / "killer"
PLAY = """
import sys, time
from datetime import UTC, datetime
from blocks.values.lifecycle import Kind
from blocks.values.receipts import StepReceipt
from tasks.ledger.store import Ledger

with Ledger.open(sys.argv[1]) as ledger:
    row = ledger.promotions.of_run("run") or ledger.promotions.open(
        pipeline="shop", environment="prod", kind=Kind.PROMOTE, ref="", flow_run_id="run",
        requested_by="", cause="", now=datetime.now(UTC),
    )
    for name in sys.argv[3:]:
        if getattr(ledger.steps.get(row.id, name), "status", "") == "finished":
            continue
        ledger.steps.start(row.id, name, "", now=datetime.now(UTC))
        print("began", name, flush=True)
        time.sleep(float(sys.argv[2]))
        print("did", name, flush=True)
        ledger.steps.finish(row.id, name, "", receipt=StepReceipt(text=name), now=datetime.now(UTC))
"""


def play(folder: Path, *steps: str, seconds: float = 0) -> tuple[int, list[str]]:
    """Run steps that last so long, but those that the journal says are finished; return status and words."""
    done = subprocess.run(
        (sys.executable, "-c", PLAY, f"sqlite:///{folder / 'ledger.db'}", str(seconds), *steps),
        env={**os.environ, "SLUICE_TEST_KILLS": str(folder / "plan"), "PYTHONPATH": str(KILLER)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


KILLED = -signal.SIGKILL


def test_no_plan_no_kill(tmp_path: Path) -> None:
    assert play(tmp_path, "up") == (0, ["began up", "did up"])


@pytest.mark.parametrize(
    ("moment", "seconds", "words"),
    [
        ("before", 0.0, []),
        ("during", 60.0, ["began up"]),
        # Over before its moment came: cut as it ends.
        ("during", 0.0, ["began up", "did up"]),
        ("after", 0.0, ["began up", "did up"]),
    ],
)
def test_a_step_is_killed_at_its_moment_once(
    tmp_path: Path, moment: str, seconds: float, words: list[str]
) -> None:
    (tmp_path / "plan").write_text(f"up {moment}\n")
    assert play(tmp_path, "up", seconds=seconds) == (KILLED, words)
    assert (tmp_path / "plan").read_text() == ""
    assert (tmp_path / "plan.done").read_text().startswith(f"up {moment} ")
    assert play(tmp_path, "up") == (0, ["began up", "did up"])


def test_steps_side_by_side_miss_no_line_whichever_ends_first(tmp_path: Path) -> None:
    (tmp_path / "plan").write_text("tag after\nnotify after\n")
    assert play(tmp_path, "notify", "tag") == (KILLED, ["began notify", "did notify"])
    assert (tmp_path / "plan").read_text() == "tag after\n"
    assert play(tmp_path, "notify", "tag") == (KILLED, ["began notify", "did notify", "began tag", "did tag"])
    assert (tmp_path / "plan").read_text() == ""
    assert play(tmp_path, "notify", "tag") == (0, ["began tag", "did tag"])
