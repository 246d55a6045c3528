"""Runs one command on an SSH channel: output as it comes, limits, exit status."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

import paramiko

from tasks.adapters.ssh_transport import close, send, send_eof
from tasks.host.scripts import MARK
from tasks.kernel.output import Clock, RawResult, Stream
from tasks.kernel.poll import poll

CHUNK = 32 * 1024
# Standard input up to this size is sent at once; more is sent by a thread, while output is read.
INLINE_BYTES = 16 * 1024
LINGER_SECONDS = 2.0
POLL_SECONDS = 0.5
_LOOK_SECONDS = 0.05
_PID = re.compile(rb"^%s pid (\d+)$" % MARK.encode())


class ConnectionLostError(Exception):
    """The connection broke while the command ran; what became of it is not known."""


class LimitPassedError(Exception):
    """A limit of the command was passed; it still runs."""


class _Wake(threading.Event):
    """Set when output arrives on either stream.

    The channel's own descriptor loses a wake-up when one stream is read empty as the other one is fed: each
    buffer has its own lock, the descriptor none. So the buffers only set this event, and the reader alone
    clears it, before it looks.
    """

    def clear(self) -> None:
        """Do nothing: called by a buffer that was read empty."""

    def rearm(self) -> None:
        """Clear the event."""
        super().clear()


class PidLine:
    """Takes the wrapper's process id off standard error.

    What a login's start-up files print before it is passed on.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._held: bytes | None = b""
        self.pid: int | None = None

    def feed(self, data: bytes) -> None:
        """Take in what came on standard error."""
        if self._held is None:
            self._stream.feed(data)
            return
        self._held += data
        while self._held is not None and b"\n" in self._held:
            line, self._held = self._held.split(b"\n", 1)
            self._take(line, self._held)

    def _take(self, line: bytes, rest: bytes) -> None:
        found = _PID.match(line)
        if found is None:
            self._stream.feed(line + b"\n")
            return
        self.pid = int(found[1])
        self._held = None
        if rest:
            self._stream.feed(rest)

    def end(self) -> None:
        """Pass on what is held back: the command ended without that line."""
        if self._held:
            self._stream.feed(self._held)
        self._held = None


class ChannelCommand:
    """One command on one channel."""

    def __init__(self, channel: paramiko.Channel, clock: Clock, stdout: Stream, stderr: Stream) -> None:
        self._channel = channel
        self.clock = clock
        self._stdout = stdout
        self._stderr = stderr
        self._pid_line = PidLine(stderr)
        self._writer: threading.Thread | None = None
        self._stdin_error: Exception | None = None

    @property
    def pid(self) -> int | None:
        """The process id on the host, which is its group's too; None before it is known."""
        return self._pid_line.pid

    def run(self, command: bytes, stdin: bytes | Iterable[bytes] | None) -> RawResult:
        """Run the command to its end.

        Args:
            stdin: Bytes for its standard input, at once or in pieces; what the pieces raise is raised here.

        Raises:
            LimitPassedError: A limit was passed; the command still runs.
        """
        self._begin(command, stdin or b"")
        try:
            self._read_to_end()
            code = self._exit_code()
        except LimitPassedError:
            self._end_streams()
            raise
        if self._stdin_error is not None:
            raise self._stdin_error
        self._end_streams()
        return RawResult(code, self._stdout.bytes, self._stderr.bytes, self.clock.seconds, self._stdout.cut)

    def _end_streams(self) -> None:
        self._pid_line.end()
        self._stdout.end()
        self._stderr.end()

    def await_pid(self, seconds: float) -> int | None:
        """Wait so long for the process id, of a command that is to be ended before it said anything."""
        poll(self._knows_pid, seconds=seconds, every=_LOOK_SECONDS)
        return self.pid

    def _knows_pid(self) -> bool:
        if self.pid is None and not self._channel.closed:
            self._drain()
        return self.pid is not None or self._channel.closed

    def close(self) -> None:
        """Close the channel; a command that still runs loses its standard streams."""
        close(self._channel)
        if self._writer is not None:
            self._writer.join(timeout=5)

    def _begin(self, command: bytes, stdin: bytes | Iterable[bytes]) -> None:
        try:
            self._channel.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise ConnectionLostError(_why(error)) from error
        pieces = (stdin,) if isinstance(stdin, bytes) else stdin
        if isinstance(stdin, bytes) and len(stdin) <= INLINE_BYTES:
            self._send(pieces)
            return
        self._writer = threading.Thread(target=self._send, args=(pieces,), name="ssh-stdin", daemon=True)
        self._writer.start()

    def _send(self, pieces: Iterable[bytes]) -> None:
        # A command may end without reading all of it; that is its own affair.
        with suppress(OSError, EOFError, paramiko.SSHException):
            for piece in self._given(pieces):
                if not self._sent(piece):
                    return
            send_eof(self._channel)

    def _given(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces; what they raise is kept for the one who waits for the command's end."""
        try:
            yield from pieces
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end with this thread
            self._stdin_error = error

    def _sent(self, piece: bytes) -> bool:
        unsent = memoryview(piece)
        while unsent:
            sent = send(self._channel, bytes(unsent[:CHUNK]))
            if not sent:
                return False
            unsent = unsent[sent:]
            self.clock.touch()
        return True

    def _read_to_end(self) -> None:
        wake = _Wake()
        self._channel.in_buffer.set_event(wake)
        self._channel.in_stderr_buffer.set_event(wake)
        exited = False
        while True:
            wake.rearm()
            # Asked before reading: what came before the end must not be left unread.
            ended = bool(self._channel.eof_received) or self._channel.closed
            # The status may overtake output, so the silence that ends a command without EOF counts from here.
            if not exited and self._channel.exit_status_ready():
                exited = True
                self.clock.touch()
            read = self._drain()
            if read:
                self.clock.touch()
            elif ended or (exited and self.clock.silent > LINGER_SECONDS):
                return
            if not self.clock.remaining:
                raise LimitPassedError
            if not read:
                wake.wait(min(self.clock.remaining, POLL_SECONDS))

    def _drain(self) -> bool:
        """Read at most one piece of each stream, so that a command that never pauses still meets its limits."""
        read = False
        if self._channel.recv_ready():
            self._stdout.feed(self._channel.recv(CHUNK))
            read = True
        if self._channel.recv_stderr_ready():
            self._pid_line.feed(self._channel.recv_stderr(CHUNK))
            read = True
        return read

    def _exit_code(self) -> int:
        if not self._channel.status_event.wait(self.clock.remaining):
            raise LimitPassedError
        if self._channel.exit_status == -1 and self._broke():
            raise ConnectionLostError(_why(self._channel.get_transport().saved_exception))
        return self._channel.exit_status

    def _broke(self) -> bool:
        """Say whether an exit status is missing for a broken connection, or for a signal that ended it all.

        Paramiko closes the channels first and marks the connection dead a moment later.
        """
        if not self._channel.eof_received:
            return True
        transport = self._channel.get_transport()
        return poll(lambda: not transport.is_active(), seconds=0.2, every=0.02)


def _why(error: Exception | None) -> str:
    """Say what ended a connection; of several threads that share one, the library tells only the first."""
    if error is None:
        return "no reason is known"
    if isinstance(error, EOFError):
        return "the host closed it, or the network failed"
    return str(error) or type(error).__name__
