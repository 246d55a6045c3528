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
    """One image to build.

    Attributes:
        name: The bake target that builds it.
        services: The compose services that run it, sorted.
    """

    name: str
    services: tuple[str, ...]

    @property
    def path(self) -> str:
        """Its name as the last part of a repository, which allows less than a service's name."""
        return _NOT_IN_REPOSITORY.sub("-", self.name.lower()).strip("-") or "image"


def _bake(files: tuple[str, ...], *arguments: str) -> Argv:
    return ("docker", "buildx", "bake", *(f"--file={file}" for file in files), *arguments)


def print_json(files: tuple[str, ...], targets: tuple[str, ...] = ()) -> Argv:
    """Return the command that prints what would be built, as JSON.

    Args:
        files: The compose files; relative paths in them start from the working directory.
        targets: The targets; all that can be built where none is named.
    """
    return _bake(files, "--print", *_targets(targets))


def bake(
    files: tuple[str, ...],
    targets: tuple[str, ...],
    *,
    tags: Mapping[str, tuple[str, ...]],
    labels: Mapping[str, str],
    args: Mapping[str, str] | None = None,
    platforms: tuple[str, ...] = (),
    allow: tuple[str, ...] = (),
) -> Argv:
    """Return the command that builds images, side by side, into the local engine.

    Args:
        files: The compose files, as for `print_json`.
        tags: Target → the references its image gets, in place of its own.
        args: Build arguments every image gets.
        platforms: The platforms; the engine's own where none is named.
        allow: What a build may reach beyond its folder (`fs.read=…`); only buildx 0.17 and newer know it.
    """
    named = (f"--set={target}.tags={tag}" for target in targets for tag in tags.get(target, ()))
    marked = (
        f"--set={target}.labels.{key}={value}" for target in targets for key, value in sorted(labels.items())
    )
    allowed = (f"--allow={what}" for what in allow)
    argued = (f"--set={t}.args.{key}={value}" for t in targets for key, value in sorted((args or {}).items()))
    placed = (f"--set={t}.platform={platform}" for t in targets for platform in platforms)
    return _bake(
        files,
        "--load",
        "--progress=plain",
        *allowed,
        *named,
        *marked,
        *argued,
        *placed,
        *_targets(targets),
    )


def _targets(targets: tuple[str, ...]) -> Argv:
    return tuple(name(target, "build target") for target in targets)


def target_name(service: str) -> str:
    """Return the bake target of a service: bake writes dots as underscores."""
    return service.replace(".", "_")


def group_targets(print_json: str, compose_config_json: str) -> tuple[BuildTarget, ...]:
    """Find the images of an application and the services that run each of them.

    Services whose builds are equal share one image. A service without a build of its own whose `image:`
    is that of a built service runs that service's image. Services no profile starts are left out.

    Args:
        print_json: What is built, as a bake file in JSON.
        compose_config_json: What `docker compose config --format=json` printed.

    Returns:
        The images, sorted by name; the name of a shared one is that of its first service.

    Raises:
        TerminalError: A service has a build that bake does not know.
    """
    definitions: dict[str, dict[str, Any]] = json.loads(print_json).get("target", {})
    services: dict[str, dict[str, Any]] = json.loads(compose_config_json).get("services", {})
    built = {
        service: _definition(service, definitions) for service, told in services.items() if "build" in told
    }
    first = _first_of_each(built)
    owners = {service: first[definition] for service, definition in built.items()}
    owners |= _by_image(services, owners)
    return tuple(
        BuildTarget(target_name(owner), tuple(sorted(s for s, by in owners.items() if by == owner)))
        for owner in sorted(set(owners.values()))
    )


def _definition(service: str, definitions: dict[str, dict[str, Any]]) -> str:
    found = definitions.get(target_name(service))
    if found is None:
        raise TerminalError(
            f"service {service} has a build section that is not in what is built",
            "report this bug in Sluice",
        )
    relevant = {key: value for key, value in found.items() if key not in _NOT_THE_IMAGE}
    return json.dumps(relevant, sort_keys=True)


def _first_of_each(built: dict[str, str]) -> dict[str, str]:
    """Return definition → the first service, by name, that has it."""
    return {built[service]: service for service in sorted(built, reverse=True)}


def _by_image(services: dict[str, dict[str, Any]], owners: dict[str, str]) -> dict[str, str]:
    """Return unbuilt service → the service whose image it runs."""
    images = {services[service].get("image"): owner for service, owner in sorted(owners.items())}
    images.pop(None, None)
    return {
        service: images[told["image"]]
        for service, told in services.items()
        if service not in owners and told.get("image") in images
    }
