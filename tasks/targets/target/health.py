"""PURE: which services are not well, by what a target says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import ContainerFact


def not_running(containers: tuple[ContainerFact, ...], services: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of some services have no running container."""
    running = {container.service for container in containers if container.status == "running"}
    return tuple(service for service in services if service not in running)


def ailing(
    containers: tuple[ContainerFact, ...],
    services: tuple[str, ...],
    earlier: Mapping[str, int],
    *,
    patient: bool = False,
) -> tuple[str, ...]:
    """Say which services are not well.

    Args:
        earlier: Container id → how often it had been restarted before; a new container is not in it.
        patient: Leave out what may still become healthy.

    Returns:
        One line per service that is missing, ended with an error, restarting or unhealthy.
    """
    found: list[str] = []
    for service in services:
        own = [container for container in containers if container.service == service]
        if not own:
            found.append(f"{service} has no container")
        for container in own:
            if container.status == "restarting" or container.restarts > earlier.get(container.id, 0):
                found.append(f"{service} keeps restarting (exit status {container.exit_code})")
            # The engine calls what has a health check unhealthy as soon as it does not run.
            elif container.status != "running" and (container.exit_code or container.health == "unhealthy"):
                found.append(f"{service} ended with status {container.exit_code}")
            elif container.health == "unhealthy":
                found.append(f"{service} is unhealthy")
            elif container.health == "starting" and not patient:
                found.append(f"{service} did not become healthy")
    return tuple(found)
