"""Which images a release runs, and whether it runs already."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from blocks.values.facts import HostFacts
from blocks.values.releases import Release
from flows.domain.compose.override import Config, pinned_images, service_targets
from flows.domain.gates.gates import same_release


def known_images(release: Release, config: Config, fixed: Collection[str]) -> dict[str, str]:
    """Return the image of each service for which the release decides one.

    Args:
        config: What compose says about the project.
        fixed: The services whose image is written without a variable.
    """
    # A service may share an image by name in one environment's compose files only.
    targets = service_targets(config, {name: one.target for one in release.images for name in one.services})
    references = {image.target: image.reference for image in release.images}
    ours = {service: references[target] for service, target in targets.items()}
    return pinned_images(config, release.third_party, fixed) | ours


def expected_images(release: Release, config: Config, fixed: Collection[str]) -> dict[str, str | None]:
    """Return each service's expected image: by digest where the release has one, None where any will do."""
    known = known_images(release, config, fixed)
    return {service: known.get(service) for service in config.get("services", {})}


def is_running(hosts: Mapping[str, HostFacts], release: Release, services: Mapping[str, str | None]) -> bool:
    """Say whether a release runs already, on every host, from the images it should.

    Args:
        services: Service → the image reference it must run, None where any will do.
    """
    return all(_runs_on(facts, release, services) for facts in hosts.values())


def _runs_on(facts: HostFacts, release: Release, services: Mapping[str, str | None]) -> bool:
    if facts.manifest is None or not same_release(facts.manifest.release, release):
        return False
    well = {
        container.service: container.image
        for container in facts.containers
        if container.status == "running" and container.health in {"", "healthy"}
    }
    done = {c.service for c in facts.containers if c.status == "exited" and c.exit_code == 0}
    return all(
        (name in well and (image is None or well[name] == image)) or (name in done and name not in well)
        for name, image in services.items()
    )
