"""The folders of releases on a host: what an application wrote there is neither removed nor replaced unseen."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blocks.values.manifests import EARLIER_MANIFEST_FILE
from blocks.values.release_data import ReleaseData
from tasks.host.read import no_manifest
from tasks.host.scripts import prune, script
from tasks.kernel.archive import plain_name
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.lines import lines
from tasks.kernel.logs import log
from tasks.kernel.protocols import Limits
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
from tasks.targets.compose.memory import read_live

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blocks.values.manifests import Manifest
    from tasks.host.app_host import AppHost
    from tasks.kernel.archive import Archive

_PATIENT = Limits(total_seconds=300, idle_seconds=300)


def prune_releases(app: AppHost, keep: tuple[str, ...]) -> tuple[str, ...]:
    """Remove the folders of releases that are not kept, but those that are mounted or hold data nobody carried on.

    Raises:
        SluiceError: The host does not answer.
    """
    keep = (*keep, *sorted(_mounted(app)))
    listed = app.answer(script(UNSETTLED, "sluice-unsettled", app.directory, *keep))
    holding = {name: held for name in lines(listed) if (held := _held(app, name))}
    for name, held in holding.items():
        log().warning(
            "%s: releases/%s stays: it contains files that an application wrote and that were not carried on (%s); "
            "if you do not need it, remove it there",
            *(app.name, name, held),
        )
    argv = prune(f"{app.directory}/releases", (*keep, *holding))
    told = lines(app.change(argv, seconds=600).stdout)
    stuck = [line[2:] for line in told if line.startswith("! ")]
    if stuck:
        remove(app, stuck)
    return (*(line for line in told if not line.startswith("! ")), *stuck)


def remove(app: AppHost, names: Iterable[str]) -> None:
    """Remove releases' folders in which files may belong to others than the login.

    Raises:
        TerminalError: They cannot be removed.
    """
    folders = [app.folder(name) for name in names]
    argv = as_root(app.pipeline, app.directory, "", script(REMOVE, "sluice-remove", *folders))
    result = app.change(argv, seconds=600)
    if not result.ok:
        raise TerminalError(
            f"{', '.join(folders)} on {app.name} cannot be removed: {result.tail(1)}",
            "remove it there by hand",
        )


def _held(app: AppHost, name: str) -> str:
    """Say what a release's folder holds that its bundle did not bring; empty for nothing."""
    try:
        manifest = app.manifest(name)
        if manifest is None:
            return "no manifest says what was brought"
        return named(_all_in(app, name, manifest).differs)
    except SluiceError as error:
        return error.what


def _all_in(app: AppHost, name: str, manifest: Manifest) -> ReleaseData:
    """Compare all that lies in a folder of `releases` with what its bundle brought.

    The folder's name is not always that of the release: one that was moved aside has another.
    """
    folder = app.folder(name)
    argv, tracked = look(folder, (folder,)), tracked_lines(manifest)
    try:
        listing = parse_listing(app.answer(argv, tracked, limits=_PATIENT))
    except ValueError:
        raise TerminalError(
            f"{folder} on {app.name} cannot be read completely", "check that folder"
        ) from None
    if listing is None:
        return ReleaseData(release_id=manifest.release.id, mounts=())
    return compare(listing, manifest, [("", folder)], directory=app.directory)


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


def make_room(app: AppHost, manifest: Manifest, archive: Archive) -> Over | None:
    """See that putting a release's bundle in place again loses no data that lies in its folder.

    A folder that containers have mounted stays, and so does what the application changed in it where the release runs.
    Where it does not run, a folder with data nobody carried on is moved aside.

    Returns:
        What to put over a folder that stays; None where there is no folder, or it may be replaced.

    Raises:
        TerminalError: The folder cannot be read, moved aside or removed.
    """
    name = manifest.release.id
    found = app.answer(script(OWNED, "sluice-owned", app.folder(name)), limits=_PATIENT).strip()
    if found == "none":
        return None
    if leads_to(app, name):
        known = app.manifest(name)
        if known is None:
            raise no_manifest(app.directory, app.name)
        data = read_data(app, known, app.containers())
        return _over(app, manifest, archive, known, data.differs if data else ())
    settled = is_settled(app, name)
    if not settled and (held := _held(app, name)):
        # Who has it mounted has it still.
        _move_aside(app, name, held)
    elif name in _mounted(app) and (known := app.manifest(name)):
        return _over(app, manifest, archive, known, ())
    elif settled or found == "others":
        remove(app, (name,))
    return None


def _mounted(app: AppHost) -> frozenset[str]:
    """Return earlier releases whose folders containers may have mounted."""
    made = app.ask(("stat", "-c", "%Y", f"{app.directory}/current")).stdout.strip()
    if not made.isdigit():
        return frozenset()
    live = ((one.release_id, one.at.timestamp()) for one in read_live(app))
    containers = (*app.containers(), *others_there(app))
    return in_use(containers, live, app.directory, int(made))


def _over(app: AppHost, coming: Manifest, archive: Archive, known: Manifest, kept: tuple[str, ...]) -> Over:
    """Say what is put over a folder that containers have mounted."""
    name = coming.release.id
    left_out = {*_as_it_is(archive, coming, known, _all_in(app, name, known))}
    names = {plain_name(path): path for path in (*archive.paths, *archive.links) if path not in OWN_FILES}
    left_out |= {names[plain] for plain in those_in(names, kept)}
    earlier = EARLIER_MANIFEST_FILE
    moved = known.links is None and earlier not in (*coming.checksums, *(coming.links or {}))
    return Over(archive.without(left_out), kept, gone=(earlier,) if moved else ())


def _move_aside(app: AppHost, name: str, held: str) -> None:
    aside = f"{name}.left-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    log().warning(
        "%s: releases/%s has data of its own (%s): kept as releases/%s", app.name, name, held, aside
    )
    folder = f"{app.directory}/releases"
    moved = app.change(("mv", "--", f"{folder}/{name}", f"{folder}/{aside}"), seconds=60)
    if not moved.ok:
        raise TerminalError(
            f"stage: {folder}/{name} on {app.name} cannot be moved aside: {moved.tail(1)}",
            "check the permissions of that directory",
        )


def unpack_over(app: AppHost, over: Over, folder: str) -> None:
    """Put what is not as it should be over a folder that containers have mounted: that stays what it is.

    Raises:
        TerminalError: It could not be unpacked.
    """
    # Beside it first, where what arrived is compared with what was sent.
    beside = f"{posixpath.dirname(folder)}/.{posixpath.basename(folder)}.over"
    gone = [f"{folder}/{name}" for name in over.gone]
    argv = script(PUT_OVER, "sluice-put-over", beside, folder, *gone)
    app.host.unpack(over.archive, beside, fence=app.fence())
    result = app.change(argv, seconds=600)
    if not result.ok:
        # An application often gives its folders to a user of its own.
        argv = as_root(app.pipeline, app.directory, "", argv)
        result = app.change(argv, seconds=600)
    if not result.ok:
        raise TerminalError(
            f"stage: {folder} on {app.name} cannot be written: {result.tail(1)}",
            "check the permissions there",
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
