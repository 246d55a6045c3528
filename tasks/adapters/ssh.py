"""A server reached over SSH: the only place where command lines are quoted."""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager, closing

from tasks.adapters.command_runner import CommandRunner
from tasks.adapters.ssh_command import ChannelCommand, ConnectionLostError, LimitPassedError
from tasks.adapters.ssh_connection import Endpoint, SshConnection
from tasks.adapters.ssh_tunnel import forward
from tasks.host import scripts
from tasks.kernel.archive import LISTED, Archive, damaged, differing
from tasks.kernel.argv import variable
from tasks.kernel.errors import FencedError, SluiceError, TerminalError, TransientError
from tasks.kernel.output import Clock, RawResult, refuse_cut, title
from tasks.kernel.protocols import Call, Fence, Limits, LineSink, PieceSink
from tasks.kernel.redact import Redactor

# An SSH server allows 10 sessions on one connection; two are kept for ending commands.
SESSIONS = 8
GRACE_SECONDS = 10
_KILL_SECONDS = 45
FENCE_SECONDS = 120
# The host's shell gets the whole command line as one argument, and Linux allows 128 KiB for one.
LONGEST_COMMAND_BYTES = 120 * 1024
_WRAPPER_SAYS = re.compile(rf"^{scripts.MARK} (.*)$", re.MULTILINE)
FILE_LIMITS = Limits(total_seconds=600, idle_seconds=60)
# Bytes a second. While a host unpacks and reads back it says nothing.
SLOWEST_LINE, SLOWEST_DISK = 30_000, 4_000_000


class SshHost(CommandRunner):
    """A `Host` over one SSH connection, which all its commands share."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        redactor: Redactor | None = None,
        grace_seconds: int = GRACE_SECONDS,
        fence_seconds: int = FENCE_SECONDS,
    ) -> None:
        super().__init__(redactor, grace_seconds)
        self._connection = SshConnection(endpoint)
        self._fence_seconds = fence_seconds
        self._sessions = threading.BoundedSemaphore(SESSIONS)

    @property
    def name(self) -> str:
        """The name people know it by."""
        return self._connection.endpoint.name

    def run_raw(
        self,
        call: Call,
        *,
        on_line: LineSink | None = None,
        take: PieceSink | None = None,
        pieces: Iterable[bytes] | None = None,
    ) -> RawResult:
        """Run a command to its end; its folder and fence are checked by the wrapper, in the same round trip."""
        line = command_line(call)
        stdin = call.stdin if pieces is None else pieces
        with self._sessions:
            streams = self._streams(on_line, take)
            result = self._execute(
                ChannelCommand(self._connection.open(), Clock(call), *streams), line, stdin, call
            )
        self._check_wrapper(result, call)
        return result

    def _execute(
        self, command: ChannelCommand, line: bytes, stdin: bytes | Iterable[bytes] | None, call: Call
    ) -> RawResult:
        try:
            return command.run(line, stdin)
        except LimitPassedError:
            passed = command.clock.passed()
            end = (
                "was ended" if self._end(command) else "could not be ended: the host does not answer any more"
            )
            raise self._limit_passed(call, passed, end) from None
        except ConnectionLostError as error:
            raise TransientError(
                f"the connection to {self._connection.endpoint} broke while {self._title(call)} ran ({error}); "
                "the command may have ended or still run there",
                "try again: the step first checks what is already done",
            ) from error
        except BaseException:
            # The run was cancelled, or the one who reads the lines failed.
            self._end(command)
            raise
        finally:
            command.close()

    def _end(self, command: ChannelCommand) -> bool:
        """End a command's process group over a second channel; False where that was not possible."""
        pid = command.await_pid(self._grace)
        if pid is None:
            return False
        # A host that is slow to look after its processes still answers.
        patience = self._grace + _KILL_SECONDS
        call = Call(scripts.kill(pid, int(self._grace)), limits=Limits(patience, patience))
        try:
            killer = ChannelCommand(self._connection.open(), Clock(call), *self._streams())
            with closing(killer):
                return killer.run(command_line(call), None).exit_code == 0
        except (SluiceError, LimitPassedError, ConnectionLostError):
            return False

    def _check_wrapper(self, result: RawResult, call: Call) -> None:
        found = _WRAPPER_SAYS.findall(result.stderr.decode(errors="replace"))
        if not found:
            return
        said = "\n".join(found)
        if result.exit_code == scripts.EXIT_FENCED:
            raise FencedError(
                f"{self._title(call)} was not run on {self.name}: {said}",
                "another promotion took over; look at `sluice status`",
            )
        if result.exit_code == scripts.EXIT_BUSY:
            raise TransientError(f"{self.name}: {found[0]}", "try again when it has ended", said)
        if result.exit_code == scripts.EXIT_NO_FOLDER:
            raise TerminalError(
                f"{self._title(call)} was not run on {self.name}: {said}",
                "check the path and its permissions",
            )

    def _check(self, result: RawResult, what: str) -> None:
        if result.exit_code == 0:
            return
        said = self._redactor.text(result.stderr.decode(errors="replace").strip())
        last = said.splitlines()[-1] if said else f"exit status {result.exit_code}"
        raise TerminalError(
            f"{what} on {self.name} failed: {last}",
            "check disk space and the login's permissions there",
            said,
        )

    def write_file(self, path: str, content: bytes, *, mode: int = 0o644, fence: Fence | None = None) -> None:
        """Write a file whole or not at all; parents are made. See `Host.write_file`."""
        argv = scripts.write(path, mode, len(content))
        call = Call(argv, stdin=content, limits=FILE_LIMITS, fence=fence)
        self._check(self.run_raw(call), f"writing {path}")

    def read_file(self, path: str) -> bytes | None:
        """Read a file; None where there is none."""
        result = self.run_raw(Call(scripts.read(path), limits=FILE_LIMITS))
        if result.exit_code == scripts.EXIT_MISSING:
            return None
        self._check(result, f"reading {path}")
        refuse_cut(result, f"reading {path} on {self.name}")
        return result.stdout

    def read_pieces(self, path: str, take: PieceSink, *, limits: Limits = FILE_LIMITS) -> None:
        """Read a file of any size piece by piece. See `Host.read_pieces`."""
        result = self.run_raw(Call(scripts.read(path), limits=limits), take=take)
        if result.exit_code == scripts.EXIT_MISSING:
            raise TerminalError(f"there is no file {path} on {self.name}", "check what happened to it there")
        self._check(result, f"reading {path}")

    def write_pieces(
        self, path: str, pieces: Iterable[bytes], *, size: int, sha256: str, limits: Limits = FILE_LIMITS
    ) -> None:
        """Write a file of any size piece by piece. See `Host.write_pieces`."""
        argv = scripts.receive(path, size, sha256)
        self._check(self.run_raw(Call(argv, limits=limits), pieces=pieces), f"writing {path}")

    def unpack(self, archive: Archive, directory: str, *, fence: Fence | None = None) -> None:
        """Unpack an archive into a directory that appears whole or not at all. See `Host.unpack`."""
        argv = scripts.unpack(directory, archive.size, LISTED, archive.digest)
        call = Call(argv, limits=_limits_for(archive.size), fence=fence)
        result = self.run_raw(call, pieces=archive.pieces())
        if result.exit_code == scripts.EXIT_OTHER:
            found = result.stdout.decode(errors="replace").split()
            raise damaged(differing(archive.paths, archive.checksums, found), directory, self.name)
        self._check(result, f"unpacking into {directory}")

    def raise_fence(self, fence: Fence) -> None:
        """Make a token the highest the host knows, waiting for commands of lower tokens to end.

        Raises:
            TransientError: A command of a lower token still runs; the message's detail names it.
        """
        patience = 2 * self._fence_seconds + 30
        argv = scripts.raise_fence(fence.directory, fence.token, self._fence_seconds)
        result = self.run_raw(Call(argv, limits=Limits(patience, patience)))
        self._check(result, f"raising the fence in {fence.directory}")

    def tunnel(self, address: str, port: int) -> AbstractContextManager[int]:
        """Open a local loopback port that leads to an address as seen from the host."""
        return forward(self._connection, address, port)

    def close(self) -> None:
        """Close the connection; the next command makes it anew."""
        self._connection.close()


def _limits_for(size: int) -> Limits:
    """Return the limits for sending so many bytes, unpacking and reading them back, over a slow line to a slow disk."""
    return Limits(
        total_seconds=FILE_LIMITS.total_seconds + size / SLOWEST_LINE,
        idle_seconds=FILE_LIMITS.idle_seconds + size / SLOWEST_DISK,
    )


def command_line(call: Call) -> bytes:
    """Return the one string an SSH server is given: wrapper, folder, fence, environment and command, quoted.

    `exec` makes the wrapper take the place of the login shell, so that its process id is the group's.
    """
    directory, token = (call.fence.directory, str(call.fence.token)) if call.fence else ("", "")
    argv = call.argv
    if call.env:
        if "=" in argv[0]:
            raise TerminalError(f"{argv[0]!r} cannot be a program's name here", "leave out the equals sign")
        argv = ("env", *(f"{variable(key)}={value}" for key, value in call.env.items()), *argv)
    text = "exec " + shlex.join(scripts.run(call.cwd or "", directory, token, argv))
    if "\0" in text or re.search("[\ud800-\udc7f\udd00-\udfff]", text):
        raise TerminalError(
            f"{title(call.argv)!r} contains a character that no command can have", "remove it"
        )
    line = text.encode(errors="surrogateescape")
    if len(line) > LONGEST_COMMAND_BYTES:
        raise TerminalError(
            f"the command {title(call.argv)} is {len(line)} bytes long", "send long data by standard input"
        )
    return line
