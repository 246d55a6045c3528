"""Second copies of a dump, off the host that took it: on another host, or in a folder that fsspec reaches."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from blocks.values.receipts import BackupReceipt, StepReceipt
from tasks.adapters.relay import Touch, relay
from tasks.adapters.url_folder import UrlFolder, parse_options, public_url
from tasks.database.drill_host import other_host
from tasks.database.retain import removable
from tasks.host.files import list_dumps, parse_dumps, remove_dumps
from tasks.host.read import QUICK
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.protocols import Call, Limits
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from blocks.pipeline import Backup, Policy
    from tasks.host.retention import StoredDump
    from tasks.kernel.protocols import Host, PieceSink
    from tasks.steps.run import Run

# How long a place may take nothing, and a host may send nothing. A disk that syncs much data is silent for a while.
STILL_SECONDS = 300.0
_PROBE = ".sluice-doctor"


class DumpStore(Protocol):
    """Where copies are kept."""

    @property
    def name(self) -> str:
        """The name people know it by."""

    def store(self, backup: BackupReceipt, pieces: Iterator[bytes], touch: Touch) -> str:
        """Write a dump and, when it is known to be whole, its receipt; return where it is."""

    def list(self) -> tuple[StoredDump, ...]:
        """Return the dumps there."""

    def remove(self, names: tuple[str, ...]) -> None:
        """Remove dumps with their receipts."""

    def probe(self) -> None:
        """Write a small file and remove it."""


def file_name(backup: BackupReceipt) -> str:
    """Return a dump's file name."""
    return PurePosixPath(backup.path).name


@dataclass(frozen=True)
class HostPlace:
    """A folder on another host.

    Attributes:
        limits: How long writing one dump may take.
    """

    host: Host
    directory: str
    limits: Limits

    @property
    def name(self) -> str:
        """The host's name."""
        return self.host.name

    def store(self, backup: BackupReceipt, pieces: Iterator[bytes], touch: Touch) -> str:
        """Write a dump; see `Place.store`."""
        path = f"{self.directory}/{file_name(backup)}"
        self.host.write_pieces(path, pieces, size=backup.bytes, sha256=backup.sha256, limits=self.limits)
        touch()
        self.host.write_file(f"{path}.json", backup.to_json().encode(), mode=0o600)
        return f"{self.name}:{path}"

    def list(self) -> tuple[StoredDump, ...]:
        """Return the dumps there."""
        return stored_dumps(self.host, self.directory)

    def remove(self, names: tuple[str, ...]) -> None:
        """Remove dumps with their receipts."""
        self.host.run(Call(remove_dumps(self.directory, names), limits=QUICK))

    def probe(self) -> None:
        """Write a small file and remove it."""
        self.host.write_file(f"{self.directory}/{_PROBE}", b"", mode=0o600)
        self.remove((_PROBE,))


@dataclass(frozen=True)
class UrlPlace:
    """A folder that fsspec reaches."""

    folder: UrlFolder

    @property
    def name(self) -> str:
        """Its address, without login."""
        return self.folder.name

    def store(self, backup: BackupReceipt, pieces: Iterator[bytes], touch: Touch) -> str:
        """Write a dump, read it back to its end, and only then write its receipt; see `Place.store`."""
        name = file_name(backup)
        self.folder.write(name, pieces, touch)
        size, checksum = self.folder.check(name, touch)
        if (size, checksum) != (backup.bytes, backup.sha256):
            raise TerminalError(
                f"the copy in {self.name} is not the dump: {size} of {backup.bytes} bytes, sha256 {checksum[:12]}…",
                "check the store; the copy has no receipt and does not count",
            )
        self.folder.write(f"{name}.json", (backup.to_json().encode(),), touch)
        return f"{self.name}/{name}"

    def list(self) -> tuple[StoredDump, ...]:
        """Return the dumps there."""
        return self.folder.list()

    def remove(self, names: tuple[str, ...]) -> None:
        """Remove dumps with their receipts, the receipt first: it says that there is a dump."""
        self.folder.remove(part for name in names for part in (f"{name}.json", name))

    def probe(self) -> None:
        """Write a small file and remove it."""
        self.folder.probe()


def stored_dumps(host: Host, directory: str) -> tuple[StoredDump, ...]:
    """Return the dumps in a folder of a host; none where there is no such folder."""
    result = host.run(Call(list_dumps(directory), limits=QUICK))
    if not result.ok:
        raise TerminalError(
            f"{directory} on {host.name} cannot be listed: {result.tail(2)}", "check it there"
        )
    return parse_dumps(result.stdout)


def place_names(policy: Policy) -> tuple[str, ...]:
    """Return the places that get a copy of each dump; none where the policy names none."""
    backup = policy.backup
    if backup is None:
        return ()
    named = (backup.copy_host, public_url(backup.copy_url).rstrip("/") if backup.copy_url else None)
    return tuple(name for name in named if name)


def open_place(policy: Policy, name: str, secret: Callable[[str], str]) -> DumpStore:
    """Return a place of the policy, ready to be used."""
    backup = policy.backup
    if backup is None or name not in place_names(policy):
        raise TerminalError(f"{name} is no longer a place for copies", "look at backup in pipeline.yaml")
    if name == backup.copy_host:
        return _host_place(policy, name, _limits(backup.timeout))
    return _url_place(policy, backup, secret)


def _host_place(policy: Policy, name: str, limits: Limits) -> HostPlace:
    if name in policy.hosts:
        raise TerminalError(
            f"copies of {policy.name}'s dumps would stay on {name} itself",
            "name another host in backup.copy_host",
        )
    host, directory = other_host(policy.pipeline, name)
    return HostPlace(host, f"{directory}/copies/{policy.name}", limits)


def _url_place(policy: Policy, backup: Backup, secret: Callable[[str], str]) -> UrlPlace:
    options = parse_options(secret(backup.copy_options), backup.copy_options) if backup.copy_options else {}
    return UrlPlace(
        UrlFolder(f"{(backup.copy_url or '').rstrip('/')}/{policy.pipeline}/{policy.name}", options)
    )


@step("copy backup", StepReceipt)
def copy_backup(run: Run, *, target: str, place: str, backup: BackupReceipt) -> StepReceipt:
    """Copy a dump to one place off its host, through this machine, and remove the copies that are not kept.

    Running it twice is safe: it writes the same bytes under the same name, and what is there counts only with the
    receipt that is written last. It changes nothing on the environment's hosts, so it needs no lease.
    """
    began = time.monotonic()
    there = open_place(run.policy, place, run.secret)
    where = copy_dump(run.hosts[backup.host], there, backup, seconds=_seconds(run))
    run.ledger.backups.note_copy(run.promotion_id, backup.path, where)
    seconds = time.monotonic() - began
    log().info("%s: copied to %s in %.1f s", target, where, seconds)
    _prune(run, there)
    return StepReceipt(text=f"copied to {where}", seconds=seconds)


def _limits(seconds: float) -> Limits:
    return Limits(seconds, min(seconds, STILL_SECONDS))


def _seconds(run: Run) -> float:
    return run.policy.backup.timeout if run.policy.backup else STILL_SECONDS


def copy_dump(source: Host, place: DumpStore, backup: BackupReceipt, *, seconds: float) -> str:
    """Carry a dump from its host to a place."""
    limits = _limits(seconds)

    def read(take: PieceSink) -> None:
        digest = hashlib.sha256()

        def counted(piece: bytes) -> None:
            digest.update(piece)
            take(piece)

        source.read_pieces(backup.path, counted, limits=limits)
        if digest.hexdigest() != backup.sha256:
            raise TerminalError(
                f"{backup.path} on {source.name} is not what was dumped: its checksum is {digest.hexdigest()[:12]}…",
                "do not rely on this dump; check the disk there",
            )

    def write(pieces: Iterator[bytes], touch: Touch) -> str:
        return place.store(backup, pieces, touch)

    return relay(read, write, idle_seconds=STILL_SECONDS)


def _prune(run: Run, place: DumpStore) -> None:
    """Remove the copies that are not kept. That a store refuses (some never delete) is logged, and stops nothing."""
    try:
        names = removable(run, place.list())
        if names:
            place.remove(names)
            log().info("%s: removed %s old copies", place.name, len(names))
    except SluiceError as error:
        log().warning("copy backup: old copies in %s: %s", place.name, error)
