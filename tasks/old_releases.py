"""The folders of releases on a host: what an application wrote there is neither removed nor replaced unseen."""

from __future__ import annotations

import posixpath
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tasks.adapters.protocols import Call, Limits
from tasks.commands.carry import PUT_OVER, REMOVE, SETTLED, UNSETTLED, as_root
from tasks.commands.data_roles import named
from tasks.commands.release_data import compare, look, parse_listing, tracked_lines, within
from tasks.commands.scripts import prune, script
from tasks.errors import SluiceError, TerminalError
from tasks.logs import log
from tasks.reading import QUICK, read_containers, read_manifest
from tasks.release_data import read_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blocks.values.manifests import Manifest
    from tasks.adapters.archive import Archive
    from tasks.site import Site

_PATIENT = Limits(total_seconds=300, idle_seconds=300)


def prune_releases(site: Site, host: str, keep: tuple[str, ...]) -> tuple[str, ...]:
    """Remove the folders of releases that are not kept, but those that hold data nobody carried on.

    Args:
        site: The environment, its change allowed.
        host: The host's name.
        keep: The releases that stay.

    Returns:
        The removed.

    Raises:
        SluiceError: The host does not answer.
    """
    there, directory = site.hosts[host], site.directories[host]
    listed = there.run(Call(argv=script(UNSETTLED, "sluice-unsettled", directory, *keep), limits=QUICK))
    holding = {name: held for name in listed.stdout.splitlines() if (held := _held(site, host, name))}
    for name, held in holding.items():
        log().warning(
            "%s: releases/%s stays: it holds what an application wrote and nobody carried on (%s); "
            "when you do not need it, remove it there",
            *(host, name, held),
        )
    argv = prune(f"{directory}/releases", (*keep, *holding))
    lines = there.run(site.change(host, argv, seconds=600)).stdout.splitlines()
    stuck = [line[2:] for line in lines if line.startswith("! ")]
    if stuck:
        remove(site, host, stuck)
    return (*(line for line in lines if not line.startswith("! ")), *stuck)


def remove(site: Site, host: str, names: Iterable[str]) -> None:
    """Remove releases' folders in which files may belong to others than the login.

    Raises:
        TerminalError: They cannot be removed.
    """
    directory = site.directories[host]
    folders = [f"{directory}/releases/{name}" for name in names]
    argv = as_root(site.pipeline, directory, "", script(REMOVE, "sluice-remove", *folders))
    result = site.hosts[host].run(site.change(host, argv, seconds=600))
    if not result.ok:
        raise TerminalError(
            f"{', '.join(folders)} on {host} cannot be removed: {result.tail(1)}", "remove it there by hand"
        )


def _held(site: Site, host: str, name: str) -> str:
    """Say what a release's folder holds that its bundle did not bring; empty for nothing."""
    try:
        manifest = read_manifest(site.hosts[host], site.directories[host], name)
        return "no manifest says what was brought" if manifest is None else _data_in(site, host, manifest)
    except SluiceError as error:
        return error.what


def _data_in(site: Site, host: str, manifest: Manifest) -> str:
    """Name what lies anywhere in a release's folder and is not as its bundle brought it; empty for nothing."""
    directory = site.directories[host]
    folder = f"{directory}/releases/{manifest.release.id}"
    call = Call(argv=look(folder, (folder,)), stdin=tracked_lines(manifest), limits=_PATIENT)
    try:
        listing = parse_listing(site.hosts[host].run(call).stdout)
    except ValueError:
        raise TerminalError(f"{folder} on {host} cannot be read whole", "look at that folder") from None
    if listing is None:
        return ""
    return named(compare(listing, manifest, [("", folder)], directory=directory).differs)


def make_room(site: Site, host: str, manifest: Manifest, archive: Archive) -> Archive | None:
    """See that putting a release's bundle in place again loses no data that lies in its folder.

    Where the release runs, the folder stays, and what the application changed in it is left out of the archive. Where
    it does not run, a folder with data nobody carried on is moved aside.

    Args:
        site: The environment, its change allowed.
        host: The host's name.
        manifest: What the host shall remember of the release.
        archive: The bundle.

    Returns:
        The archive to unpack over a folder that stays; None where the folder may be replaced.

    Raises:
        TerminalError: The folder cannot be moved aside or removed.
    """
    there, directory, name = site.hosts[host], site.directories[host], manifest.release.id
    known = read_manifest(there, directory, name)
    if known is None:
        return None
    running = read_manifest(there, directory)
    if running is not None and running.release.id == name:
        data = read_data(site, host, known, read_containers(there, site.pipeline))
        return _left_out(archive, data.differs) if data is not None else None
    if there.read_file(f"{directory}/{SETTLED}/{name}") is not None:
        remove(site, host, (name,))
    elif held := _held(site, host, name):
        _move_aside(site, host, name, held)
    return None


def _move_aside(site: Site, host: str, name: str, held: str) -> None:
    aside = f"{name}.left-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    log().warning("%s: releases/%s holds data of its own (%s): kept as releases/%s", host, name, held, aside)
    folder = f"{site.directories[host]}/releases"
    argv = ("mv", "--", f"{folder}/{name}", f"{folder}/{aside}")
    moved = site.hosts[host].run(site.change(host, argv, seconds=60))
    if not moved.ok:
        raise TerminalError(
            f"stage: {folder}/{name} on {host} cannot be moved aside: {moved.tail(1)}",
            "look at the permissions of that directory",
        )


def unpack_over(site: Site, host: str, archive: Archive, folder: str) -> None:
    """Unpack a bundle over the folder of the release that runs: what containers have mounted stays what it is.

    Raises:
        TerminalError: It could not be unpacked.
    """
    # Beside it first, where what arrived is compared with what was sent.
    beside = f"{posixpath.dirname(folder)}/.{posixpath.basename(folder)}.over"
    there, argv = site.hosts[host], script(PUT_OVER, "sluice-put-over", beside, folder)
    there.unpack(archive, beside, fence=site.fence(host))
    result = there.run(site.change(host, argv, seconds=600))
    if not result.ok:
        raise TerminalError(
            f"stage: {folder} on {host} cannot be written: {result.tail(1)}", "look at the permissions there"
        )


def _left_out(archive: Archive, paths: Iterable[str]) -> Archive:
    kept = tuple(path.rstrip("/") for path in paths)
    return archive.without(lambda name: any(within(name, path) for path in kept))
