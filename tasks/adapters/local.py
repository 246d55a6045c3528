"""Runs commands on the control machine."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO

from tasks.adapters.command_runner import CommandRunner
from tasks.kernel.environment import child_environment
from tasks.kernel.errors import TerminalError
from tasks.kernel.output import Clock, RawResult, Stream, title
from tasks.kernel.protocols import Call, LineSink, PieceSink
from tasks.kernel.redact import Redactor

CHUNK = 64 * 1024
# How long a command has to end by itself after SIGTERM.
GRACE_SECONDS = 10.0
# A command is over when it exited; what it left running may hold its output open for ever.
LINGER_SECONDS = 2.0
NOT_FOUND, NOT_EXECUTABLE = 127, 126


class LocalRunner(CommandRunner):
    """A `Runner` over subprocesses, each in a session of its own, so that all of it can be ended.

    Args:
        environment: What commands inherit; what `child_environment` leaves of this process's own where None is given.
    """

    def __init__(
        self,
        redactor: Redactor | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        super().__init__(redactor, grace_seconds)
        self._environment = environment

    @property
    def name(self) -> str:
        """How messages call this machine."""
        return "the control machine"

    def run_raw(
        self, call: Call, *, on_line: LineSink | None = None, take: PieceSink | None = None
    ) -> RawResult:
        """Run a command to its end; exit status 127 stands for a program that is not there, as in a shell.

        Raises:
            TerminalError: A limit was passed and the process group was ended, or the folder is not there.
        """
        if call.fence is not None:
            raise ValueError("a fence protects a host; commands on the control machine have no fence")
        clock = Clock(call)
        try:
            process = self._start(call)
        except OSError as error:
            return self._not_started(call, error)
        with self._ended_at_last(process):
            return self._pump(process, call, clock, *self._streams(on_line, take))

    def _start(self, call: Call) -> subprocess.Popen[bytes]:
        inherited = child_environment(os.environ) if self._environment is None else self._environment
        return subprocess.Popen(
            call.argv,
            stdin=subprocess.DEVNULL if call.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=call.cwd,
            env={**({} if call.alone else inherited), **call.env},
            start_new_session=True,
            bufsize=0,
        )

    def _not_started(self, call: Call, error: OSError) -> RawResult:
        if call.cwd is not None and error.filename == call.cwd:
            raise TerminalError(
                f"there is no folder {call.cwd} on {self.name}, needed by {title(call.argv)}",
                "check the path and its permissions",
            ) from error
        if error.errno not in {errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR}:
            raise TerminalError(
                f"{title(call.argv)} could not be started on {self.name}: {error.strerror}",
                "check the machine's memory and process limits",
            ) from error
        code = NOT_FOUND if error.errno in {errno.ENOENT, errno.ENOTDIR} else NOT_EXECUTABLE
        return RawResult(code, b"", f"{call.argv[0]}: {error.strerror}".encode(), 0.0)

    def _pump(
        self,
        process: subprocess.Popen[bytes],
        call: Call,
        clock: Clock,
        stdout: Stream,
        stderr: Stream,
    ) -> RawResult:
        with selectors.DefaultSelector() as selector:
            for pipe, stream in ((process.stdout, stdout), (process.stderr, stderr)):
                selector.register(_open(pipe), selectors.EVENT_READ, stream)
            if call.stdin is not None:
                pipe = _open(process.stdin)
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_WRITE)
            try:
                self._transfer(selector, process, call, clock)
            except TerminalError:
                stdout.end()
                stderr.end()
                raise
        stdout.end()
        stderr.end()
        code = self._exit_code(process, call, clock)
        # As a shell reports it: 128 and the signal's number.
        shown = 128 - code if code < 0 else code
        return RawResult(shown, stdout.bytes, stderr.bytes, clock.seconds, stdout.cut)

    def _transfer(
        self, selector: selectors.BaseSelector, process: subprocess.Popen[bytes], call: Call, clock: Clock
    ) -> None:
        unsent = memoryview(call.stdin or b"")
        ended = False
        while selector.get_map():
            if not clock.remaining:
                raise self._limit_passed(call, clock.passed())
            # Asked before waiting: what a program wrote before its end must not be left in the pipe.
            if not ended and process.poll() is not None:
                ended = True
                clock.touch()
            ready = selector.select(min(clock.remaining, 0.5))
            if not ready and ended and clock.silent > LINGER_SECONDS:
                return
            for key, _ in ready:
                clock.touch()
                if isinstance(key.data, Stream):
                    self._read(selector, key)
                else:
                    unsent = self._write(selector, key, unsent)

    @staticmethod
    def _read(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        data = os.read(key.fd, CHUNK)
        if data:
            key.data.feed(data)
        else:
            selector.unregister(key.fileobj)

    @staticmethod
    def _write(
        selector: selectors.BaseSelector, key: selectors.SelectorKey, unsent: memoryview
    ) -> memoryview:
        try:
            unsent = unsent[os.write(key.fd, unsent[:CHUNK]) :]
        except BlockingIOError:
            return unsent
        except BrokenPipeError:
            unsent = unsent[:0]
        if not unsent:
            selector.unregister(key.fileobj)
            with suppress(BrokenPipeError):
                key.fileobj.close()  # type: ignore[union-attr]
        return unsent

    def _exit_code(self, process: subprocess.Popen[bytes], call: Call, clock: Clock) -> int:
        try:
            return process.wait(clock.remaining)
        except subprocess.TimeoutExpired:
            raise self._limit_passed(call, clock.passed()) from None

    @contextmanager
    def _ended_at_last(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """End the process group when the block fails, whatever the reason, and close the pipes."""
        try:
            yield
        except BaseException:
            self._end(process)
            raise
        finally:
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(self._grace)
        # Also when the leader is gone: its children may have ignored the first signal.
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "the process was started with this pipe"  # noqa: S101
    return pipe


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
