"""The folders of releases on a host: what an application wrote there is neither removed nor replaced unseen."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blocks.values.manifests import EARLIER_MANIFEST_FILE
from blocks.values.release_data import ReleaseData
from tasks.host.read import QUICK, answer_of, no_manifest, read_containers, read_manifest
from tasks.host.scripts import prune, script
from tasks.kernel.archive import plain_name
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.lines import lines
from tasks.kernel.logs import log
from tasks.kernel.protocols import Call, Limits
from tasks.release_data.carry import is_settled, leads_to
from tasks.release_data.commands.carry import OWNED, PUT_OVER, REMOVE, UNSETTLED, as_root
from tasks.release_data.commands.data_roles import named
from tasks.release_data.commands.release_data import (
    OWN_FILES,
    compare,
    in_use,
    look,
    parse_listing,
    those_in,
    tracked_lines,
    within,
)
from tasks.release_data.read import others_there, read_data
from tasks.services.memory import read_live

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blocks.values.manifests import Manifest
    from tasks.kernel.archive import Archive
    from tasks.steps.site import Site

_PATIENT = Limits(total_seconds=300, idle_seconds=300)


def prune_releases(site: Site, host: str, keep: tuple[str, ...]) -> tuple[str, ...]:
    """Remove the folders of releases that are not kept, but those that are mounted or hold data nobody carried on.

    Args:
        site: The environment, its change allowed.

    Raises:
        SluiceError: The host does not answer.
    """
    there, directory = site.hosts[host], site.directories[host]
    keep = (*keep, *sorted(_mounted(site, host)))
    listed = answer_of(there, script(UNSETTLED, "sluice-unsettled", directory, *keep))
    holding = {name: held for name in lines(listed) if (held := _held(site, host, name))}
    for name, held in holding.items():
        log().warning(
            "%s: releases/%s stays: it contains files that an application wrote and that were not carried on (%s); "
            "if you do not need it, remove it there",
            *(host, name, held),
        )
    argv = prune(f"{directory}/releases", (*keep, *holding))
    told = lines(there.run(site.change(host, argv, seconds=600)).stdout)
    stuck = [line[2:] for line in told if line.startswith("! ")]
    if stuck:
        remove(site, host, stuck)
    return (*(line for line in told if not line.startswith("! ")), *stuck)


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
        if manifest is None:
            return "no manifest says what was brought"
        return named(_all_in(site, host, name, manifest).differs)
    except SluiceError as error:
        return error.what


def _all_in(site: Site, host: str, name: str, manifest: Manifest) -> ReleaseData:
    """Compare all that lies in a folder of `releases` with what its bundle brought.

    The folder's name is not always that of the release: one that was moved aside has another.
    """
    directory = site.directories[host]
    folder = f"{directory}/releases/{name}"
    argv, tracked = look(folder, (folder,)), tracked_lines(manifest)
    try:
        listing = parse_listing(answer_of(site.hosts[host], argv, tracked, limits=_PATIENT))
    except ValueError:
        raise TerminalError(f"{folder} on {host} cannot be read completely", "check that folder") from None
    if listing is None:
        return ReleaseData(release_id=manifest.release.id, mounts=())
    return compare(listing, manifest, [("", folder)], directory=directory)


@dataclass(frozen=True)
class Over:
    """What is put over a folder that containers have mounted.

    Attributes:
        archive: What of the bundle is not there as it should be.
        kept: What the application wrote there.
        gone: What an earlier version of Sluice put there, and this one puts elsewhere.
    """

    archive: Archive
    kept: tuple[str, ...]
    gone: tuple[str, ...] = ()

    def keeps(self, path: str) -> bool:
        """Say whether a path is the application's own, or in what is, or holds it."""
        mine = (one.rstrip("/") for one in self.kept)
        return any(within(path, one) or within(one, path) for one in mine)


def make_room(site: Site, host: str, manifest: Manifest, archive: Archive) -> Over | None:
    """See that putting a release's bundle in place again loses no data that lies in its folder.

    A folder that containers have mounted stays, and so does what the application changed in it where the release runs.
    Where it does not run, a folder with data nobody carried on is moved aside.

    Args:
        site: The environment, its change allowed.
        manifest: What the host shall remember of the release.

    Returns:
        What to put over a folder that stays; None where there is no folder, or it may be replaced.

    Raises:
        TerminalError: The folder cannot be read, moved aside or removed.
    """
    there, directory, name = site.hosts[host], site.directories[host], manifest.release.id
    argv = script(OWNED, "sluice-owned", f"{directory}/releases/{name}")
    found = answer_of(there, argv, limits=_PATIENT).strip()
    if found == "none":
        return None
    if leads_to(site, host, name):
        known = read_manifest(there, directory, name)
        if known is None:
            raise no_manifest(directory, host)
        data = read_data(site, host, known, read_containers(there, site.pipeline))
        return _over(site, host, manifest, archive, known, data.differs if data else ())
    settled = is_settled(site, host, name)
    if not settled and (held := _held(site, host, name)):
        # Who has it mounted has it still.
        _move_aside(site, host, name, held)
    elif name in _mounted(site, host) and (known := read_manifest(there, directory, name)):
        return _over(site, host, manifest, archive, known, ())
    elif settled or found == "others":
        remove(site, host, (name,))
    return None


def _mounted(site: Site, host: str) -> frozenset[str]:
    """Return earlier releases whose folders containers may have mounted."""
    there, directory = site.hosts[host], site.directories[host]
    made = there.run(Call(argv=("stat", "-c", "%Y", f"{directory}/current"), limits=QUICK)).stdout.strip()
    if not made.isdigit():
        return frozenset()
    live = ((one.release_id, one.at.timestamp()) for one in read_live(site, host))
    containers = (*read_containers(there, site.pipeline), *others_there(site, host))
    return in_use(containers, live, directory, int(made))


def _over(
    site: Site, host: str, coming: Manifest, archive: Archive, known: Manifest, kept: tuple[str, ...]
) -> Over:
    """Say what is put over a folder that containers have mounted.

    Args:
        coming: What the host shall remember of the release.
        known: What it remembers of it.
        kept: What stays as the application made it.
    """
    name = coming.release.id
    left_out = {*_as_it_is(archive, coming, known, _all_in(site, host, name, known))}
    names = {plain_name(path): path for path in (*archive.paths, *archive.links) if path not in OWN_FILES}
    left_out |= {names[plain] for plain in those_in(names, kept)}
    earlier = EARLIER_MANIFEST_FILE
    moved = known.links is None and earlier not in (*coming.checksums, *(coming.links or {}))
    return Over(archive.without(left_out), kept, gone=(earlier,) if moved else ())


def _move_aside(site: Site, host: str, name: str, held: str) -> None:
    aside = f"{name}.left-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    log().warning("%s: releases/%s has data of its own (%s): kept as releases/%s", host, name, held, aside)
    folder = f"{site.directories[host]}/releases"
    argv = ("mv", "--", f"{folder}/{name}", f"{folder}/{aside}")
    moved = site.hosts[host].run(site.change(host, argv, seconds=60))
    if not moved.ok:
        raise TerminalError(
            f"stage: {folder}/{name} on {host} cannot be moved aside: {moved.tail(1)}",
            "check the permissions of that directory",
        )


def unpack_over(site: Site, host: str, over: Over, folder: str) -> None:
    """Put what is not as it should be over a folder that containers have mounted: that stays what it is.

    Raises:
        TerminalError: It could not be unpacked.
    """
    # Beside it first, where what arrived is compared with what was sent.
    beside = f"{posixpath.dirname(folder)}/.{posixpath.basename(folder)}.over"
    gone = [f"{folder}/{name}" for name in over.gone]
    there, argv = site.hosts[host], script(PUT_OVER, "sluice-put-over", beside, folder, *gone)
    there.unpack(over.archive, beside, fence=site.fence(host))
    result = there.run(site.change(host, argv, seconds=600))
    if not result.ok:
        # An application often gives its folders to a user of its own.
        argv = as_root(site.pipeline, site.directories[host], "", argv)
        result = there.run(site.change(host, argv, seconds=600))
    if not result.ok:
        raise TerminalError(
            f"stage: {folder} on {host} cannot be written: {result.tail(1)}", "check the permissions there"
        )


def _as_it_is(archive: Archive, coming: Manifest, known: Manifest, there: ReleaseData) -> Iterator[str]:
    """Name the members of an archive that lie in the release's folder as they should be, or have a link there.

    They are not written again: a container that has a single file mounted would keep the one before, which has no
    name any more, and go on writing into it.
    """
    differs, links = {*there.differs}, known.links or {}
    own = OWN_FILES if known.links is not None else {*OWN_FILES, EARLIER_MANIFEST_FILE}
    for path in archive.paths:
        plain = plain_name(path)
        if path not in own and (
            plain not in coming.checksums
            or (plain not in differs and coming.checksums[plain] == known.checksums.get(plain))
        ):
            yield path
    for path, target in archive.links.items():
        if path not in (coming.links or {}) or (path not in differs and links.get(path) == target):
            yield path
