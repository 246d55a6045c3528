"""A server in memory: files, a fence, and commands that answer from a script."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tasks.kernel.archive import LISTED, Archive, damaged, differing, sha256
from tasks.kernel.errors import FencedError, TerminalError
from tasks.kernel.protocols import Call, Fence, Limits, LineSink, PieceSink, Result
from tests.fakes.runner import FakeRunner

HOME = "/home/deploy"
FILE_LIMITS = Limits()


class FakeHost(FakeRunner):
    """A `Host` in memory.

    Attributes:
        files: Absolute path → content.
        modes: Absolute path → mode, of files that were written one by one.
        links: Absolute path → what a symbolic link leads to, made by the script that switches links.
        fences: Application directory → the highest token.
        ports: (address, port) as seen from the host → local port, for tunnels.
    """

    def __init__(self, name: str = "prod") -> None:
        super().__init__(name)
        self.files: dict[str, bytes] = {}
        self.modes: dict[str, int] = {}
        self.links: dict[str, str] = {}
        self.fences: dict[str, int] = {}
        self.ports: dict[tuple[str, int], int] = {}
        self.answer("sluice-link", effect=self._link)

    @property
    def home(self) -> str:
        return HOME

    def absolute(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(HOME, path))

    def run(self, call: Call, *, on_line: LineSink | None = None) -> Result:
        self._check(call.fence)
        if call.cwd is not None and not self._is_folder(self.absolute(call.cwd)):
            raise TerminalError(f"there is no folder {call.cwd} on {self.name}", "check the path")
        return super().run(call, on_line=on_line)

    def write_file(self, path: str, content: bytes, *, mode: int = 0o644, fence: Fence | None = None) -> None:
        self._check(fence)
        target = self.absolute(path)
        if self._is_folder(target):
            raise TerminalError(
                f"writing {path} on {self.name} failed: {path} is a folder", "use another name"
            )
        self.files[target] = content
        self.modes[target] = mode

    def read_file(self, path: str) -> bytes | None:
        return self.files.get(self._followed(self.absolute(path)))

    def read_pieces(self, path: str, take: PieceSink, *, limits: Limits = FILE_LIMITS) -> None:
        content = self.read_file(path)
        if content is None:
            raise TerminalError(f"there is no file {path} on {self.name}", "look")
        for start in range(0, len(content), 32768):
            take(content[start : start + 32768])

    def write_pieces(
        self, path: str, pieces: Iterable[bytes], *, size: int, sha256: str, limits: Limits = FILE_LIMITS
    ) -> None:
        content = b"".join(pieces)
        if len(content) != size:
            raise TerminalError(
                f"writing {path} on {self.name} failed: only {len(content)} of {size} bytes of {path} arrived",
                "look",
            )
        if hashlib.sha256(content).hexdigest() != sha256:
            raise TerminalError(
                f"writing {path} on {self.name} failed: {path} arrived with another checksum", "look"
            )
        self.write_file(path, content, mode=0o600)

    def unpack(self, archive: Archive, directory: str, *, fence: Fence | None = None) -> None:
        self._check(fence)
        target = self.absolute(directory)
        try:
            new = dict(self._unpacked(b"".join(archive.pieces()), target))
        except tarfile.TarError as error:
            raise TerminalError(
                f"unpacking into {directory} on {self.name} failed: {error}", "look"
            ) from error
        del new[f"{target}/{LISTED}"]
        there = [new.get(posixpath.normpath(f"{target}/{path}")) for path in archive.paths]
        found = ["-" if content is None else sha256(content) for content in there]
        if wrong := differing(archive.paths, archive.checksums, found):
            raise damaged(wrong, directory, self.name)
        self.files = {
            path: text for path, text in self.files.items() if not path.startswith(f"{target}/")
        } | new

    @staticmethod
    def _unpacked(archive: bytes, target: str) -> Iterator[tuple[str, bytes]]:
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            for member in members:
                content = members.extractfile(member)
                if content is not None:
                    yield posixpath.normpath(f"{target}/{member.name}"), content.read()

    def raise_fence(self, fence: Fence) -> None:
        directory = self.absolute(fence.directory)
        highest = self.fences.get(directory, 0)
        if highest > fence.token:
            raise FencedError(f"token {fence.token} is not the one that stands, {highest}", "stop")
        self.fences[directory] = fence.token

    @contextmanager
    def tunnel(self, address: str, port: int) -> Iterator[int]:
        yield self.ports.get((address, port), port)

    def listing(self, directory: str) -> list[str]:
        """Return the paths of all files below a directory, relative to it, sorted."""
        start = self.absolute(directory) + "/"
        return sorted(path.removeprefix(start) for path in self.files if path.startswith(start))

    def _check(self, fence: Fence | None) -> None:
        if fence is None:
            return
        highest = self.fences.get(self.absolute(fence.directory))
        if highest != fence.token:
            raise FencedError(f"token {fence.token} is not the one that stands, {highest or 'none'}", "stop")

    def _is_folder(self, path: str) -> bool:
        below = (*self.files, *self.fences, *self.links)
        return path == HOME or path in self.fences or any(other.startswith(f"{path}/") for other in below)

    def _followed(self, path: str) -> str:
        for link, target in self.links.items():
            if path.startswith(f"{link}/"):
                return self.absolute(posixpath.join(posixpath.dirname(link), target)) + path.removeprefix(
                    link
                )
        return path

    def _link(self, call: Call) -> None:
        target, path = call.argv[-2:]
        self.links[self.absolute(path)] = target
