"""Runs git on the control machine, and tells what its failures mean."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tasks.adapters.local import LocalRunner
from tasks.git.login import QUIET
from tasks.kernel.argv import Argv
from tasks.kernel.environment import child_environment
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.output import RawResult, refuse_cut, title
from tasks.kernel.protocols import Call, Limits, PieceSink
from tasks.kernel.redact import process_redactor

NETWORK = Limits(total_seconds=7200, idle_seconds=300)
# Where what was fetched last will do.
HURRIED = Limits(total_seconds=60, idle_seconds=15)
READING = Limits(total_seconds=300, idle_seconds=300)
# Content of any size: as long as something comes, it goes on.
COPYING = Limits(total_seconds=3600, idle_seconds=300)
# The operator's settings name filters (LFS), and a commit says which files pass through which, and what LFS asks.
WITHOUT_FILTERS: Mapping[str, str] = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
_NO_COMMIT = re.compile(
    r"bad object|bad revision|not a tree object|not a valid object|unknown revision|failed to unpack tree object"
)
_REFUSED = re.compile(
    r"authentication failed|could not read (username|password)|permission denied|access denied|"
    r"not found$|does not appear to be a git repository|host key verification failed|"
    r"\b40[134]\b|no path specified",
    re.IGNORECASE | re.MULTILINE,
)
_REDIRECTED = re.compile(r"returned error: (30[0-9])\b")
# With anything between: a pattern would look for the second word behind each of the first ones.
_REFUSED_BETWEEN = (("repository ", "not found"), ("transport ", " not allowed"))
# What git says while it works, and of each branch that moved.
_PROGRESS = tuple(
    f"{where}{word}"
    for where in ("", "remote: ")
    for word in (
        "Enumerating ",
        "Counting ",
        "Compressing ",
        "Receiving ",
        "Resolving ",
        "Unpacking ",
        "Total ",
        "Auto ",
    )
)
_ADVICE = (
    "fatal: Could not read from remote repository",
    "Please make sure you have the correct access rights",
    "and the repository exists",
    "warning:",
)


class GitRunner:
    """Runs git commands about one repository."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url
        self._directory = directory
        self._runner = LocalRunner(environment={**child_environment(os.environ), **QUIET})

    def run(self, argv: Argv) -> RawResult:
        """Run a command that may fail."""
        return self._whole(Call(argv, limits=READING))

    def read(
        self, argv: Argv, stdin: bytes | None = None, *, environment: Mapping[str, str] | None = None
    ) -> bytes:
        """Run a command on the mirror and return its output."""
        result = self._whole(Call(argv, stdin=stdin, env=environment or {}, limits=READING))
        if result.exit_code != 0:
            raise self._unreadable(_last_line(result))
        return result.stdout

    def read_pieces(self, argv: Argv, take: PieceSink, stdin: bytes | None = None) -> None:
        """Run a command on the mirror whose output may be of any size, and pass it on piece by piece."""
        result = self._runner.run_raw(Call(argv, stdin=stdin, limits=COPYING), take=take)
        if result.exit_code != 0:
            raise self._unreadable(_last_line(result))

    def text(self, argv: Argv) -> str:
        """Run a command on the mirror and return its output as text, without the last line end."""
        return self.read(argv).decode(errors="replace").rstrip("\n")

    def network(self, argv: Argv, environment: Mapping[str, str], limits: Limits = NETWORK) -> str:
        """Run a command that asks the repository itself."""
        result = self._whole(Call(argv, env=environment, limits=limits))
        if result.exit_code == 0:
            return result.stdout.decode(errors="surrogateescape")
        said = "\n".join(_said(result))
        if moved := _REDIRECTED.search(said):
            raise TerminalError(
                f"{self._url} is redirected (status {moved[1]}): the repository has another address now, or the "
                "server wants it written otherwise; it was not followed",
                "look in a browser where it leads, and set that address in the git-repository block",
            )
        if _is_refused(said):
            raise TerminalError(
                f"{self._url} cannot be read: {_last_line(result)}",
                "check the address, and the repository's login in its block",
                said,
            )
        raise TransientError(f"{self._url} does not answer: {_last_line(result)}", "try again", said)

    def _whole(self, call: Call) -> RawResult:
        result = self._runner.run_raw(call)
        refuse_cut(result, f"{title(call.argv)} about {self._url}")
        return result

    def _unreadable(self, said: str) -> TerminalError:
        if _NO_COMMIT.search(said):
            return TerminalError(f"{self._url} has no such commit: {said}", "push it first")
        return TerminalError(
            f"the mirror of {self._url} cannot be read: {said}",
            f"fetch it again; if it stays so, remove {self._directory}",
        )


def _is_refused(said: str) -> bool:
    return _REFUSED.search(said) is not None or any(
        first < line.rfind(last)
        for line in said.lower().splitlines()
        for start, last in _REFUSED_BETWEEN
        if (first := line.find(start)) >= 0
    )


def _said(result: RawResult) -> list[str]:
    """Return the lines of standard error, without what git says while it works."""
    lines = process_redactor().text(result.stderr.decode(errors="replace")).strip().splitlines()
    return [line for line in lines if line.strip() and not line.startswith((*_PROGRESS, "From ", " "))]


def _last_line(result: RawResult) -> str:
    """Return git's own word on what failed, without the advice around it."""
    told = [line for line in _said(result) if not line.startswith(_ADVICE)]
    named = [line for line in told if line.startswith(("fatal:", "error:", "remote:"))]
    return (named[:1] or told[-1:] or [f"exit status {result.exit_code}"])[0][:300]
