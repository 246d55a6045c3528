"""Runs programs and waits for conditions, both with a limit; a failure is one clear line."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

COMMAND_SECONDS = 300.0


class LabError(Exception):
    """The lab cannot do what was asked; the message says what failed and what to do next."""


class CommandFailedError(LabError):
    """A program ended with a failure.

    Attributes:
        argv: What was run.
        returncode: Its exit status.
        stderr: What it printed on standard error.
    """

    def __init__(self, argv: Sequence[str], returncode: int, stderr: str) -> None:
        """Keeps the whole result; the message shows the last line of the program's errors."""
        last_line = stderr.strip().splitlines()[-1] if stderr.strip() else "no message"
        super().__init__(f"`{' '.join(argv)}` failed with status {returncode}: {last_line}")
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr = stderr


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = COMMAND_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Runs a program and keeps its output.

    Args:
        argv: The program and its arguments; no shell is involved.
        check: Raise when the exit status is not zero.
        stdin: Text for standard input.
        env: Variables added to the environment.
        cwd: The folder it starts in.
        timeout_seconds: The program is killed after this time.

    Returns:
        The finished process with its output as text.

    Raises:
        CommandFailedError: The exit status was not zero and `check` was asked for.
        LabError: The program is missing or did not end in time.
    """
    try:
        result = subprocess.run(
            list(argv),
            input=stdin,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            timeout=timeout_seconds,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed; script/setup installs it") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(argv)}` did not end within {timeout_seconds:g} s") from error
    if check and result.returncode != 0:
        raise CommandFailedError(argv, result.returncode, result.stderr)
    return result


def wait_until(
    condition: Callable[[], bool],
    what: str,
    *,
    seconds: float,
    log: Path | None = None,
    every_seconds: float = 0.05,
) -> None:
    """Waits for a condition.

    Args:
        condition: Asked again and again until it is true.
        what: What is waited for, for the error.
        seconds: How long at most.
        log: Where the reason can be read, for the error.
        every_seconds: Pause between two questions.

    Raises:
        LabError: The condition did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what} did not come within {seconds:g} s" + (f"; see {log}" if log else ""))
        time.sleep(every_seconds)
