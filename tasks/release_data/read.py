"""What an application wrote into its release's folder on a host, read from the host itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.host.read import read_others
from tasks.host.shape import parse_shape, read_shape
from tasks.kernel.errors import TerminalError
from tasks.kernel.logs import log
from tasks.kernel.protocols import Limits
from tasks.release_data.commands.release_data import (
    compare,
    late_mounts,
    look,
    mount_points,
    parse_listing,
    tracked_lines,
    within,
    writable_sources,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from blocks.values.release_data import ReleaseData
    from tasks.host.app_host import AppHost
    from tasks.host.shape import ComposeShape

# A folder with very many files takes longer than a question.
_PATIENT = Limits(total_seconds=300, idle_seconds=300)


def read_data(app: AppHost, manifest: Manifest, containers: Iterable[ContainerFact]) -> ReleaseData | None:
    """Read what the running release's services wrote into its folder.

    Returns:
        How it differs from what the bundle put there; None where no service may write there, or to what all releases
        share.

    Raises:
        TerminalError: It could not be read whole.
    """
    directory, known = app.directory, tuple(containers)
    others, shape = others_there(app), _shape(app, manifest)
    sources = writable_sources((*known, *others), shape)
    if shape is None:
        sources = (*sources, ("a service", f"{directory}/current"))
    if not sources:
        return None
    argv = look(f"{directory}/current", dict.fromkeys(source for _, source in sources))
    told = app.answer(argv, tracked_lines(manifest), limits=_PATIENT)
    try:
        listing = parse_listing(told)
    except ValueError:
        raise TerminalError(
            f"what the application wrote into {directory}/current on {app.name} could not be read completely",
            "check that folder; keep what is large in a volume, or in a folder that git does not track",
        ) from None
    if listing is None or not (listing.sources or listing.above or listing.shared):
        return None
    return compare(
        listing,
        manifest,
        sources,
        directory=directory,
        late=late_mounts((*known, *others), listing.since),
        beside={one.service for one in others},
        made=frozenset(mount_points((*known, *others), listing.sources)),
        apart=tuple(app.policy.data),
    )


def others_there(app: AppHost) -> tuple[ContainerFact, ...]:
    """Read what else runs there and has a folder of a release mounted; who has more than that sees each of them."""
    places = tuple(f"{app.directory}/{name}" for name in ("current", "releases"))
    found = []
    for one in read_others(app.host, app.pipeline):
        mounts = tuple(
            mount
            for mount in one.mounts
            if mount.source != places[1] and any(within(mount.source, place) for place in places)
        )
        if mounts:
            found.append(one.model_copy(update={"mounts": mounts}))
    return tuple(found)


def _shape(app: AppHost, manifest: Manifest) -> ComposeShape | None:
    """Read the running release as compose does; None where it cannot, so that a service may write anywhere in it."""
    project = app.project(manifest.model_copy(update={"profiles": ("*",)}), current=True)
    result = app.ask(read_shape(project.config_json()))
    try:
        return parse_shape(result.stdout)
    except ValueError:
        # Never its words: they may hold values.
        log().warning(
            "%s: compose cannot read the release that runs; all of its folder is looked at", app.name
        )
        return None
