"""`docker buildx bake` on an application's compose files: what is built, under which names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.kernel.argv import Argv, name
from tasks.kernel.errors import TerminalError

# What does not change the image: two services that differ only here share one.
_NOT_THE_IMAGE = frozenset({"tags", "output", "cache-from", "cache-to", "inherits", "description"})
# The builder asks git about each folder it builds, and a folder of a commit may look like a repository with settings.
WITHOUT_GIT = {"BUILDX_GIT_INFO": "false", "GIT_DIR": "/dev/null"}
_NOT_IN_REPOSITORY = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class BuildTarget:
    """One image to build."""

    name: str
    services: tuple[str, ...]

    @property
    def path(self) -> str:
        """Its name as the last part of a repository, which allows less than a service's name."""
        return _NOT_IN_REPOSITORY.sub("-", self.name.lower()).strip("-") or "image"


def bake(
    file: str,
    tags: Mapping[str, str],
    *,
    labels: Mapping[str, str],
    args: Mapping[str, str],
    platforms: tuple[str, ...],
) -> Argv:
    """Return the command that builds images, side by side, into the local engine.

    Args:
        tags: Target → the reference its image gets; these targets are built.
    """
    common = (
        *((f"labels.{key}", value) for key, value in sorted(labels.items())),
        *((f"args.{key}", value) for key, value in sorted(args.items())),
        *(("platform", platform) for platform in platforms),
    )
    return (
        *("docker", "buildx", "bake", f"--file={file}", "--load", "--progress=plain"),
        *(
            f"--set={target}.{key}={value}"
            for target, tag in tags.items()
            for key, value in (("tags", tag), *common)
        ),
        *(name(target, "build target") for target in tags),
    )


def target_name(service: str) -> str:
    """Return the bake target of a service: bake writes dots as underscores."""
    return service.replace(".", "_")


def group_targets(bake: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[BuildTarget, ...]:
    """Find the images of an application and the services that run each of them.

    Services whose builds are equal share one image. A service without a build of its own whose `image:`
    is that of a built service runs that service's image. Services no profile starts are left out.

    Returns:
        The images, sorted by name; the name of a shared one is that of its first service.
    """
    services: Mapping[str, Any] = config.get("services", {})
    targets = bake.get("target", {})
    built = {service: _definition(service, targets) for service, told in services.items() if "build" in told}
    # The last one wins, so the first by name comes last.
    first = {built[service]: service for service in sorted(built, reverse=True)}
    owners = {service: first[definition] for service, definition in built.items()}
    owners |= _by_image(services, owners)
    return tuple(
        BuildTarget(target_name(owner), tuple(sorted(s for s, by in owners.items() if by == owner)))
        for owner in sorted(set(owners.values()))
    )


def _definition(service: str, definitions: Mapping[str, Any]) -> str:
    found = definitions.get(target_name(service))
    if found is None:
        raise TerminalError(
            f"service {service} has a build section that is not in what is built",
            "report this bug in Sluice",
        )
    relevant = {key: value for key, value in found.items() if key not in _NOT_THE_IMAGE}
    return json.dumps(relevant, sort_keys=True)


def _by_image(services: Mapping[str, Any], owners: Mapping[str, str]) -> dict[str, str]:
    """Return unbuilt service → the service whose image it runs."""
    images = {services[service].get("image"): owner for service, owner in sorted(owners.items())}
    images.pop(None, None)
    return {
        service: images[told["image"]]
        for service, told in services.items()
        if service not in owners and told.get("image") in images
    }
