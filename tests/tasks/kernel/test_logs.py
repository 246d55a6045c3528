"""A line goes to the run's log where there is a run, and to the program's own where there is none."""

from __future__ import annotations

import logging
import subprocess
import sys

import prefect

from tasks.kernel.logs import log


def test_outside_of_a_run_it_is_the_programs_own() -> None:
    assert prefect.__name__ in sys.modules
    assert log() is logging.getLogger("sluice")


def test_a_program_without_prefect_does_not_load_it_for_a_line() -> None:
    program = "import sys; from tasks.kernel.logs import log; log(); sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
