"""Processes that outlive the command that started them: found again, watched, and ended for certain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.kernel.errors import TerminalError
from tasks.kernel.poll import poll

_POLL_SECONDS = 0.05
_KILLED_SECONDS = 10.0
_BECOMING_SECONDS = 2.0
_ZOMBIE = "Z"


@dataclass(frozen=True)
class Running:
    """A process, known for certain: its id may be given to another once it has ended.

    Attributes:
        pid: Its process id; it leads a session and process group of its own.
        born: When it was started, in the kernel's clock ticks since boot; 0 where that cannot be read.
        log: The file its output goes to.
    """

    name: str
    pid: int
    born: int
    log: str

    def alive(self) -> bool:
        """Say whether the process still runs; one that ended and was not waited for yet does not."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        state = _stat(self.pid)
        return state is not None and state[0] != _ZOMBIE and self.born in {0, state[2]}

    def save(self, path: Path) -> None:
        """Write the process down, so that another command finds it."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(path)

    def log_tail(self) -> str:
        """Return the last lines of its output."""
        return tail(Path(self.log))

    def variable(self, name: str) -> str:
        """Return a variable of the environment it was started with, empty where there is none."""
        entries = self._environment().split(b"\0")
        prefix = f"{name}=".encode()
        return next((one.removeprefix(prefix).decode() for one in entries if one.startswith(prefix)), "")

    def _environment(self) -> bytes:
        """Read the environment; in the middle of becoming another program a process has none yet."""
        return poll(
            lambda: _environ(self.pid),
            lambda text: bool(text) or not self.alive(),
            seconds=_BECOMING_SECONDS,
            every=_POLL_SECONDS / 10,
        )

    def wait(self, seconds: float) -> bool:
        """Wait for its end. Returns False when the time was up first."""
        return poll(lambda: not self.alive(), seconds=seconds, every=_POLL_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, *, first: signal.Signals, grace_seconds: float) -> None:
        """End the process and everything it started: asked with a signal first, killed after the grace.

        Raises:
            TerminalError: It is still there after being killed.
        """
        before = family(self.pid)
        self.send(first)
        self.wait(grace_seconds)
        for member in (*before, *family(self.pid)):
            member.send(signal.SIGKILL)
        if not self.wait(_KILLED_SECONDS):
            raise TerminalError(f"{self.name} (process {self.pid}) cannot be ended", "look at it with `ps`")


def start(
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    lent: Sequence[int] = (),
) -> Running:
    """Start a process in a session of its own, its output appended to a file.

    Args:
        lent: The numbers of open files it gets as well.
    """
    cwd.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, pass_fds=lent,
        )  # fmt: skip
    # The object would warn when it is dropped while its process runs, which is just what is meant here.
    child.returncode = 0
    return running(name, child.pid, str(log))


def running(name: str, pid: int, log: str) -> Running:
    """Describe a process that runs now, so that it is found again."""
    state = _stat(pid)
    return Running(name=name, pid=pid, born=state[2] if state else 0, log=log)


def python(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of this installation, whatever the working directory holds."""
    return (sys.executable, "-P", *arguments)


def load(path: Path) -> Running | None:
    """Find a process again by the file that `Running.save` wrote; None when there is none or it has ended."""
    try:
        found = Running(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.alive() else None


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a file, empty where there is none."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def family(pid: int) -> list[Running]:
    """Return a process and its descendants, the oldest first."""
    states = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")}
    parents = {one: state for one, state in states.items() if state is not None}
    found = [pid]
    for member in found:
        found += [child for child, state in parents.items() if state[1] == member and child not in found]
    return [Running(name=str(one), pid=one, born=parents[one][2], log="") for one in found if one in parents]


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _stat(pid: int) -> tuple[str, int, int] | None:
    """Return a process's state letter, its parent and its time of birth, None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name stands in parentheses and may hold spaces and parentheses of its own.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[1]), int(fields[19])
