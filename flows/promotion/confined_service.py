"""Which image is asked for its migrations on the first host, and what little it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.evidence import Rendered
from flows.domain.promotion.release_images import expected_images
from tasks.images.confined import confined, placed

if TYPE_CHECKING:
    from blocks.values.releases import Release
    from flows.promotion.bundle import Bundle
    from tasks.host.confined import ConfinedService
    from tasks.images.sources import Sources
    from tasks.steps.run import Run

UNKNOWN_IMAGE = Rendered(
    text="",
    exit_code=1,
    reason="the name of its image is a variable that only the host's env file has a value for",
)


def confined_on_host(run: Run, release: Release, sources: Sources, bundle: Bundle) -> ConfinedService | None:
    """Return the service that has the migration command as it is asked on the first host.

    Returns:
        The service; None where the release does not say which image it runs, or has no such service.
    """
    migration = run.description.migration
    if migration is None:
        return None
    service, described = migration.service, sources.described
    image = expected_images(release, sources.config, described.fixed_images).get(service)
    if image is None and service in described.fixed_images:
        image = release.third_party.get(service)
    if image is None:
        return None
    taken = confined(sources, service, image=image, shared=(*bundle.env_links, *bundle.data_links))
    return placed(taken, directory=run.directories[run.primary], release_id=release.id)
