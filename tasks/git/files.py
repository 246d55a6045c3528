"""Files of a commit, read from a bare repository without checking anything out."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from tasks.kernel.archive import Packer, shown
from tasks.kernel.errors import TerminalError

LINK, SUBMODULE = "120000", "160000"
_EXECUTABLE = "100755"
_ELSEWHERE = (
    "keep what is mounted in the repository itself, mount other folders, or mount a folder of the host"
)
_POINTER, _LONGEST_POINTER = b"version https://git-lfs.github.com/spec/", 1024


@dataclass(frozen=True)
class TreeEntry:
    """One path of a commit.

    Attributes:
        mode: Git's mode: `100644`, `100755`, `120000` for a link, `160000` for a submodule.
    """

    mode: str
    object_id: str
    path: str


def parse_tree(output: bytes) -> tuple[TreeEntry, ...]:
    """Read what `git ls-tree -r -z` printed."""
    entries = []
    for line in output.split(b"\0")[:-1]:
        told, path = line.split(b"\t", 1)
        mode, _, object_id = told.decode().split(" ")
        entries.append(TreeEntry(mode, object_id, path.decode(errors="surrogateescape")))
    return tuple(entries)


def parse_batch(output: bytes) -> Iterator[bytes | None]:
    """Read what `git cat-file --batch` printed: each file's content, None where there is none."""
    stream = io.BytesIO(output)
    while head := stream.readline():
        words = head.split()
        # `ID blob SIZE`; anything else (`ID tree SIZE`, `NAME missing`, `dangling SIZE`, `loop SIZE`, …) is no file.
        if len(words) == 3 and words[1] in {b"blob", b"tree", b"commit", b"tag"}:  # noqa: PLR2004
            content = stream.read(int(words[2]))
            stream.read(1)
            yield content if words[1] == b"blob" else None
        else:
            if len(words) == 2 and words[0] in {b"dangling", b"loop", b"notdir", b"symlink"}:  # noqa: PLR2004
                stream.read(int(words[1]) + 1)
            yield None


def ids(entries: Iterable[TreeEntry]) -> bytes:
    """Return what `git cat-file --batch` is asked for."""
    return "".join(f"{entry.object_id}\n" for entry in entries).encode()


def parse_links(links: Iterable[TreeEntry], output: bytes) -> dict[str, str]:
    """Read what `git cat-file --batch` printed of symbolic links: path → what it leads to."""
    targets = ((content or b"").decode(errors="surrogateescape") for content in parse_batch(output))
    return {entry.path: target for entry, target in zip(links, targets, strict=True)}


def pack(packer: Packer, entries: tuple[TreeEntry, ...], contents: IO[bytes]) -> None:
    """Put entries into an archive, their contents copied piece by piece.

    Args:
        contents: What `git cat-file --batch` printed of their contents, in the same order.

    Raises:
        TerminalError: The repository lacks the content of one of them, or what was printed ends too early; or one is
            a submodule or a pointer of Git LFS, whose content is elsewhere.
    """
    for entry in entries:
        head = contents.readline()
        if entry.mode == SUBMODULE:
            raise TerminalError(
                f"{shown(entry.path)} is a submodule: its files are not in the commit, so no host would get them",
                _ELSEWHERE,
            )
        size = _blob_size(head, entry)
        if size < _LONGEST_POINTER:
            _refuse_pointer(entry, contents)
        if entry.mode == LINK:
            packer.add_link(entry.path, contents.read(size).decode(errors="surrogateescape"))
        else:
            packer.add_file(entry.path, size, contents, executable=entry.mode == _EXECUTABLE)
        contents.read(1)


def _refuse_pointer(entry: TreeEntry, contents: IO[bytes]) -> None:
    head = contents.read(len(_POINTER))
    contents.seek(-len(head), io.SEEK_CUR)
    if head == _POINTER:
        raise TerminalError(
            f"{shown(entry.path)} is kept in Git LFS: the commit has but a pointer, which a host would get instead",
            _ELSEWHERE,
        )


def _blob_size(head: bytes, entry: TreeEntry) -> int:
    words = head.split()
    if len(words) != 3 or words[:2] != [entry.object_id.encode(), b"blob"]:  # noqa: PLR2004
        raise TerminalError(
            f"the mirror of the repository has not the content of {shown(entry.path)} "
            f"({head.decode(errors='replace').strip() or 'nothing came'})",
            "remove the mirror's folder, so that it is fetched again; see `git fsck` in the repository",
        )
    return int(words[2])
