"""What an application wrote into its release's folder on a host, read from the host itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.host.read import QUICK
from tasks.host.shape import parse_shape, read_shape
from tasks.kernel.errors import TerminalError
from tasks.kernel.logs import log
from tasks.kernel.protocols import Call, Limits
from tasks.release_data.commands.release_data import (
    compare,
    late_mounts,
    look,
    mount_points,
    parse_listing,
    tracked_lines,
    writable_sources,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from blocks.values.release_data import ReleaseData
    from tasks.host.shape import Shape
    from tasks.steps.site import Site

# A folder with very many files takes longer than a question.
_PATIENT = Limits(total_seconds=300, idle_seconds=300)


def read_data(
    site: Site, host: str, manifest: Manifest, containers: Iterable[ContainerFact]
) -> ReleaseData | None:
    """Read what the running release's services wrote into its folder.

    Args:
        site: The environment.
        host: The host's name.
        manifest: What the host remembers of the release that runs.
        containers: The application's containers there.

    Returns:
        How it differs from what the bundle put there; None where no service may write there, or to what all releases
        share.

    Raises:
        TransientError: The host does not answer.
        TerminalError: It could not be read whole.
    """
    directory, there, known = site.directories[host], site.hosts[host], tuple(containers)
    sources = writable_sources(known, _shape(site, host, manifest))
    if not sources:
        return None
    argv = look(f"{directory}/current", dict.fromkeys(source for _, source in sources))
    result = there.run(Call(argv=argv, stdin=tracked_lines(manifest), limits=_PATIENT))
    try:
        listing = parse_listing(result.stdout)
    except ValueError:
        raise TerminalError(
            f"what the application wrote into {directory}/current on {host} could not be read completely: "
            f"{result.tail(1) or 'there are too many files'}",
            "check that folder; keep what is large in a volume, or in a folder that git does not track",
        ) from None
    if listing is None or not (listing.sources or listing.shared):
        return None
    return compare(
        listing,
        manifest,
        sources,
        directory=directory,
        late=late_mounts(known, listing.since),
        made=frozenset(mount_points(known, listing.sources)),
        apart=tuple(site.policy.data),
    )


def _shape(site: Site, host: str, manifest: Manifest) -> Shape | None:
    """Read the running release as compose does; where it cannot, the containers have to tell."""
    project = site.project(
        host,
        release_id=None,
        files=manifest.compose_files,
        profiles=("*",),
        env_file=manifest.env_file,
    )
    result = site.hosts[host].run(Call(argv=read_shape(project.config_json()), limits=QUICK))
    try:
        return parse_shape(result.stdout)
    except ValueError:
        # Never its words: they may hold values.
        log().warning("%s: compose cannot read the release that runs; only its containers are read", host)
        return None
