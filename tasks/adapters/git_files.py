"""Files of a commit, read from a bare repository without checking anything out."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

LINK, SUBMODULE = "120000", "160000"
_EXECUTABLE = "100755"


@dataclass(frozen=True)
class TreeEntry:
    """One path of a commit.

    Attributes:
        mode: Git's mode: `100644`, `100755`, `120000` for a link, `160000` for a submodule.
        object_id: The id of its content.
        path: The path from the repository's root.
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


def pack(entries: tuple[TreeEntry, ...], contents: Iterator[bytes | None], modified: int) -> bytes:
    """Return a tar archive of entries; equal commits give equal bytes.

    Args:
        entries: The paths.
        contents: Their contents, in the same order.
        modified: The time every file gets, seconds since 1970.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry, content in zip(entries, contents, strict=True):
            _add(archive, entry, content or b"", modified)
    return out.getvalue()


def _add(archive: tarfile.TarFile, entry: TreeEntry, content: bytes, modified: int) -> None:
    info = tarfile.TarInfo(entry.path)
    info.mtime = modified
    if entry.mode == LINK:
        info.type = tarfile.SYMTYPE
        info.linkname = content.decode(errors="surrogateescape")
        archive.addfile(info)
        return
    info.mode = 0o755 if entry.mode == _EXECUTABLE else 0o644
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
