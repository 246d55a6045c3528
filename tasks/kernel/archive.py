"""A release's files as one tar archive of any size, on its way from git to the hosts."""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import tarfile
import tempfile
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Protocol

from tasks.kernel.errors import TerminalError

PIECE_BYTES = 256 * 1024
# The list of an archive's regular files, in it, under a name that no file of a commit may have.
LISTED = ".sluice-files"
# A message names so many files.
MOST_NAMED = 3
_MOST_LINKS = 40


class Source(Protocol):
    """What content is read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes; none at the end."""


class Archive:
    """A tar archive in a file without a name: nothing of it is left when the process ends, however it ends.

    Any number of threads may read it at once, as often as they like. It is never in memory as a whole.

    Args:
        file: The archive's members, without the end that a tar archive has. A descriptor of its own is kept.
        more: Path → content of small files that come after them.
    """

    def __init__(
        self,
        file: IO[bytes],
        checksums: Mapping[str, str],
        links: Mapping[str, str],
        more: Mapping[str, bytes] | None = None,
    ) -> None:
        file.flush()
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._more = dict(more or {})
        self._size = os.fstat(self._descriptor).st_size
        self.links = dict(links)
        self.checksums = {**checksums, **{path: sha256(content) for path, content in self._more.items()}}

    def with_files(self, files: Mapping[str, bytes]) -> Archive:
        """Return the same archive with further small files in it, which take the place of others of their names."""
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            return Archive(file, self.checksums, self.links, {**self._more, **files})

    def without(self, paths: Collection[str]) -> Archive:
        """Return the same archive without some of its members."""
        # Opened anew: a copy of the descriptor would share its place in the file with other readers.
        here = Path(f"/proc/self/fd/{self._descriptor}")
        with tempfile.TemporaryFile() as file, here.open("rb") as whole:
            target = _open(file)
            with tarfile.open(fileobj=whole, mode="r:", encoding="utf-8", errors="surrogateescape") as source:
                for member in source:
                    if member.name not in paths:
                        target.addfile(member, source.extractfile(member) if member.isreg() else None)
            return Archive(
                file,
                {path: checksum for path, checksum in self.checksums.items() if path not in paths},
                {path: leads for path, leads in self.links.items() if path not in paths},
                {path: content for path, content in self._more.items() if path not in paths},
            )

    def fingerprint(self, path: str) -> str:
        """Return what tells a path's content: of a link, that of the file it leads to, where that is in here too."""
        place = path
        for _ in range(_MOST_LINKS):
            if place not in self.links:
                break
            place = posixpath.normpath(posixpath.join(posixpath.dirname(place), self.links[place]))
        return self.checksums.get(place) or sha256(_bytes(self.links.get(path, path)))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of its regular files, sorted."""
        return tuple(sorted(self.checksums))

    @property
    def digest(self) -> str:
        """The sha256 over the checksums of its regular files, one a line, in the order of their paths."""
        return digest_of(self.checksums)

    @property
    def size(self) -> int:
        """How many bytes `pieces` gives."""
        return self._size + len(self._end())

    def pieces(self) -> Iterator[bytes]:
        """Read it from its beginning to its end."""
        offset = 0
        while offset < self._size:
            piece = os.pread(self._descriptor, min(PIECE_BYTES, self._size - offset), offset)
            if not piece:
                raise TerminalError("the archive of a release became shorter while it was read", "try again")
            yield piece
            offset += len(piece)
        yield self._end()

    def _end(self) -> bytes:
        """Return the small files, the list of all regular files, and the end of the archive."""
        return tar_of({**self._more, LISTED: list_of(self.checksums)})


class Packer:
    """Fills an archive and takes each file's checksum from the bytes that go in; times are seconds since 1970."""

    def __init__(self, folder: Path, modified: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it is let go in `__exit__`
        self._archive = _open(self._file)
        self._modified = modified
        self._checksums: dict[str, str] = {}
        self._links: dict[str, str] = {}

    def __enter__(self) -> Packer:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file; what was made of it has its own descriptor."""
        self._file.close()

    def add_link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        info = self._info(path)
        info.type, info.linkname = tarfile.SYMTYPE, target
        self._archive.addfile(info)
        self._links[path] = target

    def add_file(self, path: str, size: int, content: Source, *, executable: bool) -> None:
        """Add a regular file.

        Raises:
            TerminalError: The content ends too early, or the disk is full.
        """
        info = self._info(path)
        info.size, info.mode = size, 0o755 if executable else 0o644
        summed = _Summed(content)
        try:
            self._archive.addfile(info, summed)  # type: ignore[arg-type]
        except OSError as error:
            raise TerminalError(
                f"{shown(path)} could not be put into the release's archive on the control machine: {error}",
                "check the space on its disk, then start again",
            ) from error
        self._checksums[path] = summed.checksum

    def archive(self) -> Archive:
        """Return what was packed."""
        return Archive(self._file, self._checksums, self._links)

    def _info(self, path: str) -> tarfile.TarInfo:
        info = tarfile.TarInfo(path)
        info.mtime = self._modified
        return info


class _Summed:
    """Content whose checksum is taken while it is read."""

    def __init__(self, content: Source) -> None:
        self._content = content
        self._sum = hashlib.sha256()

    @property
    def checksum(self) -> str:
        return self._sum.hexdigest()

    def read(self, size: int) -> bytes:
        piece = self._content.read(size)
        self._sum.update(piece)
        return piece


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of small files."""
    out = io.BytesIO()
    with _open(out) as target:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o644
            target.addfile(info, io.BytesIO(content))
    return out.getvalue()


def sha256(content: bytes) -> str:
    """Return the checksum of bytes, hex."""
    return hashlib.sha256(content).hexdigest()


def list_of(checksums: Mapping[str, str]) -> bytes:
    """Return the list of files a host is asked to compare: their paths, sorted, NUL after each."""
    return b"".join(b"./%s\0" % _bytes(path) for path in sorted(checksums))


def digest_of(checksums: Mapping[str, str]) -> str:
    """Return the sha256 over the checksums of files, one a line, in the order of that list."""
    return sha256("".join(f"{checksums[path]}\n" for path in sorted(checksums)).encode())


def differing(paths: Iterable[str], wanted: Mapping[str, str], found: Iterable[str]) -> tuple[str, ...]:
    """Name the files whose content is not what it should be.

    Args:
        found: What was found of each, in that order: sha256, or `-` where it could not be read.

    Returns:
        A few words for each; none where all are as they should be.
    """
    pairs = zip(paths, found, strict=False)
    other = [(path, one) for path, one in pairs if wanted[path] != one]
    return tuple(
        f"{shown(path)} {'cannot be read' if one == '-' else 'has another content'}" for path, one in other
    )


def damaged(files: tuple[str, ...], where: str, host: str) -> TerminalError:
    """Return the error of files that are not on a host's disk as they were sent."""
    return TerminalError(
        f"{where} on {host} is not what was sent: {named(files)}",
        "nothing that runs was touched; see that host's disk (`dmesg`, `df`, `df -i`), then try again",
    )


def plain_name(path: str) -> str:
    """Return a path as JSON can hold it, and as what a host tells of it is read."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _bytes(path: str) -> bytes:
    return path.encode(errors="surrogateescape")


def named(files: tuple[str, ...]) -> str:
    """Return what is wrong with files, for a message of bounded length."""
    more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    return f"{'; '.join(files[:MOST_NAMED]) or 'its files differ'}{more}"


def shown(path: str) -> str:
    """Return a path as a message may show it: on one line, of bounded length."""
    plain = path if path.isprintable() else path.encode("unicode_escape").decode()
    return plain if len(plain) <= 200 else f"{plain[:199]}…"  # noqa: PLR2004


def _open(file: IO[bytes]) -> tarfile.TarFile:
    # GNU's format keeps names of any bytes and length, and every tar reads it.
    return tarfile.open(
        fileobj=file, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    )
