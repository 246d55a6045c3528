"""The way into a server's container for what only looks at it: its namespaces are entered, the engine is not asked.

A command takes 23 ms of computing so, with `docker exec` 75, and tests look at servers a thousand times. What is
started so is no part of the container's control group, which an engine has to be: see `Server.execute`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.lab.shell import run

_PROCESSES = Path("/proc")
# Of the words after a process's name: when it was started, by which another one of the same number is told apart.
_STARTED = 19


@dataclass(frozen=True)
class _First:
    """A container's first process, as this machine knows it."""

    pid: int
    started: str
    environment: tuple[str, ...]


_known: dict[str, _First] = {}


def entrance(container: str) -> tuple[str, ...]:
    """Return what comes before a command that is to run as root in a container.

    Args:
        container: Its name.

    Returns:
        `nsenter` and its arguments, or `docker exec` where namespaces cannot be entered from here.
    """
    program = _nsenter()
    first = _known.get(container)
    if program and (first is None or _started(first.pid) != first.started):
        first = _find(container)
        _known.pop(container, None)
        if first is not None:
            _known[container] = first
    if not program or first is None:
        return ("docker", "exec", "--interactive", container)
    namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd")
    return (
        program,
        "--target",
        str(first.pid),
        *namespaces,
        "env",
        "--ignore-environment",
        *first.environment,
    )


@cache
def _nsenter() -> str | None:
    return shutil.which("nsenter") if os.geteuid() == 0 else None


def _find(container: str) -> _First | None:
    """Find the process by its control group: the engine may count processes in a namespace of its own."""
    asked = run(("docker", "inspect", "--format", "{{.Id}}", container), check=False)
    number = asked.stdout.strip()
    if asked.returncode != 0 or not number:
        return None
    found: list[tuple[int, int]] = []
    for folder in _PROCESSES.iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                counts = _counts(folder) if number in (folder / "cgroup").read_text() else []
                if counts[-1:] == ["1"]:
                    found.append((len(counts), int(folder.name)))
    if not found:
        return None
    # The first process of a container inside it is counted once more.
    _, pid = min(found)
    try:
        variables = (_PROCESSES / str(pid) / "environ").read_bytes().decode().split("\0")
    except OSError:
        return None
    return _First(pid, _started(pid), tuple(filter(None, variables)))


def _counts(folder: Path) -> list[str]:
    """Return a process's number in each namespace it is in, the outermost first."""
    for line in (folder / "status").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name == "NSpid":
            return numbers.split()
    return []


def _started(pid: int) -> str:
    try:
        return (_PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()[_STARTED]
    except OSError:
        return ""
