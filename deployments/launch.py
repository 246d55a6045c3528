"""Runs Prefect's own command line with signals as a terminal would give them.

A shell that starts a command in the background without job control makes it ignore SIGINT, and what is ignored
stays so in every descendant. Prefect's worker turns SIGTERM into SIGINT, so it would never stop. Started through
this module it always does.
"""

from __future__ import annotations

import signal
import sys


def main(arguments: list[str]) -> None:
    """Run `prefect` with these arguments in this process.

    Args:
        arguments: What would follow `prefect` on the command line.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from prefect.cli import app

    sys.argv = ["prefect", *arguments]
    app()


if __name__ == "__main__":
    main(sys.argv[1:])
