"""The host a copy is made on: the database's own, or another one that gets the image, the roles and the dump."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from blocks.compose_host import ComposeHost
from tasks.adapters.pool import host_for
from tasks.adapters.relay import relay
from tasks.database.commands import copies as commands
from tasks.host.read import QUICK, app_directory
from tasks.kernel.blocks import read_block
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.protocols import Call, Limits
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.values.receipts import BackupReceipt
    from tasks.adapters.relay import Touch
    from tasks.database.commands.copied import LiveDatabase
    from tasks.kernel.protocols import Host, PieceSink
    from tasks.steps.run import Run

# How long the drill host may take none of the dump.
_STILL_SECONDS = 300.0


def place_of(run: Run, name: str) -> tuple[Host, str]:
    """Return a host by its block's name, and the application's directory there.

    Args:
        name: One of the environment's hosts, or any other ComposeHost block.
    """
    if name in run.hosts:
        return run.hosts[name], run.directories[name]
    return other_host(run.pipeline, name)


def other_host(pipeline: str, name: str) -> tuple[Host, str]:
    """Return a host that may be none of the environment's, and the application's directory there."""
    block = read_block(ComposeHost, name)
    host = host_for(block, name)
    return host, app_directory(host, block.directory, pipeline)


def find_image(run: Run, there: Host, live: LiveDatabase) -> str:
    """Return the live database's image as a host has it; it is pulled where it is not there."""
    seconds = run.policy.timeouts.pull
    call = Call(
        argv=commands.find_image(live),
        stdin=run.registry_login.encode(),
        limits=Limits(total_seconds=seconds, idle_seconds=seconds),
    )
    result = there.run(call)
    if not result.ok:
        raise TerminalError(
            f"{there.name} does not have the database's image {live.reference} and cannot pull it: {result.tail(1)}",
            f"copy the image there, or let {run.primary} run the drill: remove database.drill_host",
            result.tail(20),
        )
    return result.stdout.split()[-1]


@contextmanager
def dump_on(run: Run, place: str, backup: BackupReceipt, name: str) -> Iterator[str]:
    """Have a dump on a host, brought there through this process and removed at the end where it is not at home."""
    if place == backup.host:
        yield backup.path
        return
    there, directory = place_of(run, place)
    folder = f"{directory}/drills"
    try:
        _drop(there, folder, name)
        _carry(run.hosts[backup.host], there, backup, f"{folder}/{name}.dump", _seconds(run))
        yield f"{folder}/{name}.dump"
    finally:
        _drop(there, folder, name)


def _carry(source: Host, there: Host, backup: BackupReceipt, path: str, seconds: float) -> None:
    limits = Limits(seconds, min(seconds, _STILL_SECONDS))

    def read(take: PieceSink) -> None:
        source.read_pieces(backup.path, take, limits=limits)

    def write(pieces: Iterator[bytes], touch: Touch) -> None:
        there.write_pieces(path, pieces, size=backup.bytes, sha256=backup.sha256, limits=limits)
        touch()

    relay(read, write, idle_seconds=_STILL_SECONDS)


def _drop(there: Host, folder: str, name: str) -> None:
    try:
        there.run(Call(argv=commands.drop_dump(folder, name), limits=QUICK))
    except SluiceError as error:
        log().warning("the dump %s is left in %s on %s: %s", name, folder, there.name, error)


def _seconds(run: Run) -> float:
    return run.policy.backup.timeout if run.policy.backup else _STILL_SECONDS
