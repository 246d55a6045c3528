"""Puts image layers together from package files and plain files, without installing anything.

Maintainer scripts are not run: what they would do and an image needs (users, a few links) is in the recipes.
Everything streams, so that each byte is written once.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_UNWANTED = re.compile(
    r"usr/share/(doc|info|man|locale|lintian|bash-completion|bug|zsh)(/|$)"
    # PostgreSQL's just-in-time compiler, whose library would double the image; PostgreSQL runs without it.
    r"|usr/lib/postgresql/\d+/lib/(bitcode(/|$)|llvmjit)"
    # Parts of containerd that Docker does not start.
    r"|usr/bin/(ctr|containerd-shim|containerd-shim-runc-v1|containerd-stress)$"
)
_ALIASED = re.compile(r"(bin|sbin|lib|lib64)/")

_AR_MAGIC_BYTES = 8
_AR_HEADER_BYTES = 60


@dataclass(frozen=True)
class File:
    """A plain file of a layer.

    Attributes:
        path: Where it lies, without the leading slash.
        content: What is in it.
        mode: Its permissions.
    """

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    """A symbolic link of a layer.

    Attributes:
        path: Where it lies, without the leading slash.
        target: What it points to.
    """

    path: str
    target: str


@dataclass(frozen=True)
class Folder:
    """A directory of a layer.

    Attributes:
        path: Where it lies, without the leading slash.
        owner: The numeric user and group it belongs to.
        mode: Its permissions.
    """

    path: str
    owner: int = 0
    mode: int = 0o755


Entry = File | Link | Folder


@dataclass(frozen=True)
class StoredLayer:
    """A layer in a file.

    Attributes:
        path: The uncompressed tar file.
        digest: Its SHA-256, in hex.
        status: The dpkg database entries of its packages.
    """

    path: Path
    digest: str
    status: bytes


class _HashingFile(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.hash.update(data)
        return self._file.write(data)


class Layer:
    """A layer being written."""

    def __init__(self, file: IO[bytes]) -> None:
        """Starts an empty layer."""
        self._hashing = _HashingFile(file)
        self._tar = tarfile.TarFile(fileobj=self._hashing, mode="w", format=tarfile.PAX_FORMAT)
        self._written: set[str] = set()
        self._status: list[bytes] = []

    def add_deb(self, path: Path) -> None:
        """Adds a package's files, without its documentation, and its entry in dpkg's database."""
        listing = ["/."]
        with _open_section(path, "data") as data:
            for member in data:
                member.name = _real_path(member.name)
                if member.islnk():
                    member.linkname = _real_path(member.linkname)
                if member.name and not _UNWANTED.match(member.name):
                    self._add(member, data.extractfile(member) if member.isreg() else None)
                    listing.append(f"/{member.name}")
        self._add_database(path, listing)

    def _add_database(self, path: Path, listing: list[str]) -> None:
        with _open_section(path, "control") as archive:
            parts = {
                member.name.removeprefix("./"): content.read()
                for member in archive
                if member.isreg() and (content := archive.extractfile(member))
            }
        control = parts.pop("control").rstrip()
        fields = dict(re.findall(rb"(?m)^(Package|Architecture|Multi-Arch): (.*)$", control))
        name = fields[b"Package"].decode()
        if fields.get(b"Multi-Arch") == b"same":
            name += ":" + fields[b"Architecture"].decode()
        self._status.append(control + b"\nStatus: install ok installed\n\n")
        parts["list"] = "".join(f"{line}\n" for line in listing).encode()
        self.add(
            *(File(f"var/lib/dpkg/info/{name}.{part}", content, 0o755) for part, content in parts.items())
        )

    def add(self, *entries: Entry) -> None:
        """Adds plain files, links and folders."""
        for entry in entries:
            member = tarfile.TarInfo(entry.path)
            content = None
            match entry:
                case Link():
                    member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.target, 0o777
                case Folder():
                    member.type, member.mode = tarfile.DIRTYPE, entry.mode
                    member.uid = member.gid = entry.owner
                case File():
                    member.mode, member.size = entry.mode, len(entry.content)
                    content = io.BytesIO(entry.content)
            self._add(member, content)

    def _add(self, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        if member.name not in self._written:
            self._written.add(member.name)
            self._tar.addfile(member, content)

    def close(self, status_below: bytes) -> tuple[str, bytes]:
        """Ends the layer with dpkg's database.

        Args:
            status_below: The database entries of the layers below.

        Returns:
            The layer's SHA-256 in hex, and all database entries.
        """
        status = status_below + b"".join(self._status)
        self.add(File("var/lib/dpkg/status", status))
        self._tar.close()
        return self._hashing.hash.hexdigest(), status


def write_layer(
    path: Path, debs: Iterable[Path], entries: Iterable[Entry], below: StoredLayer | None = None
) -> StoredLayer:
    """Writes a layer of plain entries and packages; an entry goes before a package's file of the same path."""
    with path.open("wb") as file:
        layer = Layer(file)
        layer.add(*entries)
        for deb in debs:
            layer.add_deb(deb)
        digest, status = layer.close(below.status if below else b"")
    return StoredLayer(path, digest, status)


def _open_section(deb: Path, wanted: str) -> tarfile.TarFile:
    with deb.open("rb") as file:
        file.seek(_AR_MAGIC_BYTES)
        while header := file.read(_AR_HEADER_BYTES):
            name, size = header[:16].decode(), int(header[48:58])
            if name.startswith(f"{wanted}.tar"):
                return tarfile.open(fileobj=io.BytesIO(file.read(size)), mode="r|*")
            file.seek(size + size % 2, io.SEEK_CUR)
    raise ValueError(f"{deb} has no {wanted} archive")


def _real_path(name: str) -> str:
    path = name.removeprefix("./").rstrip("/")
    path = "" if path == "." else path
    return f"usr/{path}" if _ALIASED.match(path) else path
