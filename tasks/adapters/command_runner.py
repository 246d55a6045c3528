"""What running a command has in common, on this machine and over SSH: bounded output, limits, words for people."""

from __future__ import annotations

from abc import ABC, abstractmethod

from tasks.kernel.errors import TerminalError
from tasks.kernel.output import (
    KEPT_STDERR_BYTES,
    KEPT_STDOUT_BYTES,
    RawResult,
    Stream,
    Tap,
    refuse_cut,
    title,
)
from tasks.kernel.protocols import Call, LineSink, PieceSink, Result
from tasks.kernel.redact import Redactor, process_redactor


class CommandRunner(ABC):
    """A `Runner` whose commands are started by `run_raw`.

    Args:
        redactor: Knows the secrets; that of the process where none is given.
        grace_seconds: How long a command has to end by itself before it is killed.
    """

    def __init__(self, redactor: Redactor | None, grace_seconds: float) -> None:
        self._redactor = redactor or process_redactor()
        self._grace = grace_seconds

    @property
    @abstractmethod
    def name(self) -> str:
        """How messages call the machine."""

    @abstractmethod
    def run_raw(
        self, call: Call, *, on_line: LineSink | None = None, take: PieceSink | None = None
    ) -> RawResult:
        """Run a command to its end and return its output as bytes.

        Args:
            on_line: Given each line of output as it comes, redacted.
            take: Given standard output piece by piece, which then is not kept.
        """

    def run(self, call: Call, *, on_line: LineSink | None = None) -> Result:
        """Run a command to its end; see `Runner.run`."""
        result = self.run_raw(call, on_line=on_line)
        # Who is given the lines reads them; anybody else reads the whole as data.
        if on_line is None and result.exit_code == 0:
            refuse_cut(result, f"{self._title(call)} on {self.name}")
        return result.decoded(call, self._redactor)

    def _streams(
        self, on_line: LineSink | None = None, take: PieceSink | None = None
    ) -> tuple[Stream, Stream]:
        stdout = Tap(take) if take else Stream(KEPT_STDOUT_BYTES, on_line, self._redactor)
        return stdout, Stream(KEPT_STDERR_BYTES, on_line, self._redactor)

    def _title(self, call: Call) -> str:
        return self._redactor.text(title(call.argv))

    def _limit_passed(self, call: Call, passed: str, end: str = "was ended") -> TerminalError:
        return TerminalError(
            f"{self._title(call)} on {self.name} {passed} and {end}",
            "see its last lines above; raise the step's timeout if it only needs longer",
        )
