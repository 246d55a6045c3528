"""What a running command says: split into lines as it comes, kept within bounds, timed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, LineSink, Result
from tasks.kernel.redact import Redactor

MIB = 1024 * 1024
KEPT_STDERR_BYTES = 1 * MIB
KEPT_STDOUT_BYTES = 64 * MIB
# A stream without line ends (a progress bar, a dump) is cut into lines of at most this size.
LONGEST_LINE_BYTES = 64 * 1024
# A run's log keeps each line it is given, and its end waits until all are kept: of more, the last ones are logged.
MOST_LINES, LAST_LINES = 5_000, 200


class Stream:
    """One output stream: its kept bytes and its lines.

    Args:
        keep: How many bytes are kept; older ones are dropped beyond that.
        on_line: Told each line, redacted; of very many the first and the last, and how many were left out.
    """

    def __init__(self, keep: int, on_line: LineSink | None, redactor: Redactor) -> None:
        self._keep = keep
        self._on_line = on_line
        self._redactor = redactor
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._rest = b""
        self._told = 0
        self._last: deque[bytes] = deque(maxlen=LAST_LINES)

    def feed(self, data: bytes) -> None:
        """Take in what the command wrote."""
        self._chunks.append(data)
        self._size += len(data)
        while self._size - len(self._chunks[0]) >= self._keep:
            gone = len(self._chunks.popleft())
            self._size -= gone
            self._dropped += gone
        if self._on_line is not None:
            self._split(data)

    def _split(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if len(self._rest) > LONGEST_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._take_in(line)

    def _take_in(self, line: bytes) -> None:
        if not line:
            return
        self._told += 1
        if self._told > MOST_LINES:
            self._last.append(line)
        else:
            self._tell(line)

    def _tell(self, line: bytes) -> None:
        if self._on_line is not None:
            self._on_line(self._redactor.text(line.decode(errors="replace")))

    def end(self) -> None:
        """Tell the last line, which has no line end, and the last lines of very many."""
        rest, self._rest = self._rest, b""
        self._take_in(rest)
        left_out = self._told - MOST_LINES - len(self._last)
        if left_out > 0:
            self._tell(b"[%d lines left out]" % left_out)
        while self._last:
            self._tell(self._last.popleft())

    @property
    def cut(self) -> bool:
        """True where the beginning was dropped."""
        return self._dropped > 0

    @property
    def bytes(self) -> bytes:
        """What is kept; where the beginning was dropped, a line in its place says so."""
        kept = b"".join(self._chunks)
        return b"[%d bytes left out]\n%s" % (self._dropped, kept) if self._dropped else kept


@dataclass(frozen=True)
class RawResult:
    """A finished command, its output as bytes.

    Attributes:
        exit_code: Its exit status; -1 where a signal ended it and the status is not known.
        cut: True where standard output is only the end of what the command wrote: fit for a message, no data.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    cut: bool = False

    def decoded(self, call: Call, redactor: Redactor) -> Result:
        """Return the result as steps see it: decoded, standard error redacted.

        Standard output is left as it is: it is parsed, and a secret that happens to be an ordinary word would
        spoil it.
        """
        return Result(
            argv=call.argv,
            exit_code=self.exit_code,
            stdout=self.stdout.decode(errors="replace"),
            stderr=redactor.text(self.stderr.decode(errors="replace")),
            seconds=self.seconds,
            cut=self.cut,
        )


def refuse_cut(result: RawResult, what: str) -> None:
    """Refuse output of `what`, such as `docker compose config on prod`, that was cut, before it is read as data."""
    if result.cut:
        raise TerminalError(
            f"{what}: more than {KEPT_STDOUT_BYTES // MIB} MiB were printed, and only the end was kept; "
            "incomplete output is not used",
            "reduce what is read there",
        )


class Tap(Stream):
    """An output stream that goes on to a function and is not kept; while that waits, the command waits too."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        super().__init__(0, None, Redactor())
        self._take = take

    def feed(self, data: bytes) -> None:
        """Pass on what the command wrote."""
        self._take(data)


class Clock:
    """Says when a command passed one of its limits."""

    def __init__(self, call: Call) -> None:
        self._limits = call.limits
        self.started = time.monotonic()
        self._last = self.started

    def touch(self) -> None:
        """Note a sign of life."""
        self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def remaining(self) -> float:
        """Seconds until the next limit, never below zero."""
        total = self.started + self._limits.total_seconds
        return max(0.0, min(total, self._last + self._limits.idle_seconds) - time.monotonic())

    @property
    def silent(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self._last

    def passed(self) -> str:
        """Return what was passed, for a person: `took longer than 600 s`."""
        if self.seconds >= self._limits.total_seconds:
            return f"took longer than {self._limits.total_seconds:g} s"
        return f"said nothing for {self._limits.idle_seconds:g} s"


def title(argv: tuple[str, ...], words: int = 5, longest: int = 100) -> str:
    """Return a command's first words, for a message: `docker compose up …`.

    Options are left out; of a constant script (`sh -c SCRIPT NAME …`) its name stands in its place.
    """
    shown = argv[3:] if argv[:2] == ("sh", "-c") and argv[3:] else argv
    plain = [word for word in shown if word and not word.startswith("-") and "\n" not in word]
    text = " ".join(plain[:words]) + (" …" if len(plain) > words else "")
    return text if len(text) <= longest else text[: longest - 1] + "…"
