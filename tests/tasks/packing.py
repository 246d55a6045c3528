"""Small archives of a release's files, made as the real ones are."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tasks.kernel.archive import Archive, Packer


def packed(files: Mapping[str, bytes | str] | None = None, /, **more: bytes | str) -> Archive:
    """Return an archive of files; `__` in a keyword stands for a slash."""
    named = {**(files or {}), **{name.replace("__", "/"): content for name, content in more.items()}}
    with Packer(Path(tempfile.gettempdir()), 0) as packer:
        for name, text in named.items():
            content = text.encode() if isinstance(text, str) else text
            packer.add_file(name, len(content), io.BytesIO(content), executable=False)
        return packer.archive()


def whole(archive: Archive) -> bytes:
    """Return an archive's bytes."""
    return b"".join(archive.pieces())
