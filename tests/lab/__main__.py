"""The lab's command line: `python -m tests.lab up|down|status|env`."""

from tests.lab.lab import Lab
Lab.up()
