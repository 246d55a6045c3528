"""A folder somewhere else, as fsspec reaches it: a disk, S3, SFTP and what else it knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import fsspec  # type: ignore[import-untyped]

from tasks.host.retention import StoredDump
from tasks.kernel.errors import SluiceError, TerminalError, TransientError
from tasks.kernel.redact import process_redactor

READ_BYTES = 1024 * 1024
_PROBE = ".sluice-doctor"
# Asking again does not help against these; anything else a store says may be a bad moment.
_FINAL = (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError, NotImplementedError)


def parse_options(text: str, block: str) -> dict[str, Any]:
    """Read fsspec's options; every text in them is redacted from now on."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise TerminalError(
            f"the secret {block} is not a JSON object", 'write it as {"key": "…", "secret": "…"}'
        )
    process_redactor().add(*_texts(found))
    return found


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def public_url(url: str) -> str:
    """Return an address as it may be shown: without login, and without the rest of chained ones."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("://")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class UrlFolder:
    """One folder that fsspec reaches. Nothing in it has a lock: names are never used twice for other content."""

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        password = urlsplit(url).password
        process_redactor().add(*([password] if password else []))
        self.name = public_url(url).rstrip("/")
        try:
            self._files, path = fsspec.core.url_to_fs(url, **(options or {}))
        except ImportError as error:
            raise TerminalError(
                f"{self.name} cannot be used: {error}", "install that package with Sluice, on every worker"
            ) from None
        except (ValueError, TypeError) as error:
            raise TerminalError(f"{self.name} cannot be used: {error}", "correct backup.copy_url") from None
        except Exception as error:
            raise _said(f"{self.name} cannot be used", error) from error
        self._path = str(path).rstrip("/")

    def write(self, name: str, pieces: Iterable[bytes], touch: Callable[[], None] = lambda: None) -> None:
        """Write a file piece by piece, over one of that name; folders are made.

        A store shows a file when it is closed, a disk while it is written: what counts is what `check` says
        afterwards.
        """
        with self._explaining(f"writing {name}"):
            self._make_private(name)
            with self._files.open(self._at(name), "wb") as out:
                for piece in pieces:
                    out.write(piece)
                    touch()

    def check(self, name: str, touch: Callable[[], None] = lambda: None) -> tuple[int, str]:
        """Read a file back, to its end.

        Returns:
            Its size in bytes and its SHA-256, hex.
        """
        size, digest = 0, hashlib.sha256()
        with self._explaining(f"reading {name} back"), self._files.open(self._at(name), "rb") as back:
            while piece := back.read(READ_BYTES):
                size += len(piece)
                digest.update(piece)
                touch()
        return size, digest.hexdigest()

    def list(self) -> tuple[StoredDump, ...]:
        """Return the dumps in the folder; none where there is no folder yet."""
        with self._explaining("listing"):
            self._files.invalidate_cache()
            try:
                found = self._files.ls(self._path, detail=True)
            except FileNotFoundError:
                return ()
        names = {_base(entry) for entry in found}
        return tuple(
            StoredDump(_base(entry), int(entry.get("size") or 0), receipt=f"{_base(entry)}.json" in names)
            for entry in found
            if _base(entry).endswith(".dump")
        )

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; what is gone already is gone."""
        for name in names:
            with self._explaining(f"removing {name}"):
                if self._files.exists(self._at(name)):
                    self._files.rm_file(self._at(name))

    def probe(self) -> None:
        """Write a small file, read it back and remove it."""
        self.write(_PROBE, (b"sluice",))
        size, _ = self.check(_PROBE)
        if not size:
            raise TerminalError(f"{self.name} does not keep what is written", "check the store")
        self.remove((_PROBE,))

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _make_private(self, name: str) -> None:
        """On this machine's disk: folder and file are their owner's alone, as on a host."""
        protocol = self._files.protocol
        if "file" in ((protocol,) if isinstance(protocol, str) else protocol):
            Path(self._path).mkdir(mode=0o700, parents=True, exist_ok=True)
            path = Path(self._at(name))
            path.touch(mode=0o600)
            path.chmod(0o600)
            return
        self._files.makedirs(self._path, exist_ok=True)

    @contextmanager
    def _explaining(self, what: str) -> Iterator[None]:
        try:
            yield
        except SluiceError:
            raise
        except Exception as error:
            raise _said(f"{what} in {self.name} failed", error) from error


def _base(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rpartition("/")[2]


def _said(what: str, error: Exception) -> SluiceError:
    words = process_redactor().text(" ".join(str(error).split()))[:300] or type(error).__name__
    kind = TerminalError if isinstance(error, _FINAL) else TransientError
    return kind(
        f"{what}: {words}", "check the address, its login (backup.copy_options) and the free space there"
    )
