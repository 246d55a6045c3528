"""Making a release current on a host and bringing its services up, with or without a flow around it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

from blocks.values.receipts import UpReceipt
from tasks.adapters.protocols import Call
from tasks.commands.compose import leaves_alone
from tasks.commands.replacing import half_replaced
from tasks.commands.scripts import link
from tasks.errors import TerminalError
from tasks.logs import log
from tasks.reading import QUICK, read_containers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import ContainerFact
    from tasks.adapters.protocols import Host
    from tasks.commands.compose import ComposeProject
    from tasks.site import Site


def start(
    site: Site,
    *,
    host: str,
    release_id: str,
    project: ComposeProject,
    services: tuple[str, ...],
    depended_on: tuple[str, ...] = (),
) -> UpReceipt:
    """Make a release current on a host and bring its services up.

    Args:
        site: The environment, its change allowed.
        host: The host's name.
        release_id: The release.
        project: The compose project on the current bundle.
        services: The services that must run afterwards.
        depended_on: Those of them that others need to run; none where that is not known.

    Returns:
        What runs.

    Raises:
        TerminalError: The services do not all run and stay up.
    """
    began = time.monotonic()
    there, directory = site.hosts[host], site.directories[host]
    linked = there.run(site.change(host, link(f"releases/{release_id}", f"{directory}/current"), seconds=60))
    if not linked.ok:
        raise TerminalError(
            f"up: {directory}/current on {host} cannot be switched: {linked.tail(2)}",
            "look at the permissions of that directory",
        )
    with ThreadPoolExecutor(1) as beside:
        # Half a second for what mostly does not change: compose waits that long for a database that is well.
        asked = beside.submit(copy_context().run, _would_do, there, project, depended_on)
        containers = read_containers(there, site.pipeline)
        would_do = asked.result()
    mended = ensure_replaced(site, host, containers)
    earlier = {container.id: container.restarts for container in containers}
    seconds = site.policy.timeouts.up
    argv = project.up(wait_seconds=int(seconds))
    others = tuple(name for name in services if name not in depended_on)
    first = argv
    if others and not mended and _well(containers, depended_on, would_do):
        first = project.up(*others, wait_seconds=int(seconds), no_deps=True)
    result = there.run(site.change(host, first, seconds=seconds + 30), on_line=log().info)
    # An engine that is slow may make a successor after the compose that asked for it was found gone.
    if not result.ok and ensure_replaced(site, host, read_containers(there, site.pipeline)):
        result = there.run(site.change(host, argv, seconds=seconds + 30), on_line=log().info)
    if not result.ok:
        raise TerminalError(
            f"up: {release_id} does not come up on {host}: {_why(site, host, services, earlier) or result.tail(1)}",
            "look at the service's log there (`docker compose logs`)",
            result.tail(40),
        )
    settle(site, host, services, earlier)
    return UpReceipt(host=host, services=services, seconds=time.monotonic() - began)


def _would_do(there: Host, project: ComposeProject, services: tuple[str, ...]) -> str:
    """Ask compose what it would do to services; an empty text where it cannot say."""
    if not services:
        return ""
    result = there.run(Call(argv=project.would_up(services), limits=QUICK))
    return f"{result.stdout}\n{result.stderr}" if result.ok else ""


def _well(containers: tuple[ContainerFact, ...], services: tuple[str, ...], would_do: str) -> bool:
    """Say whether services run, are healthy, and would be left alone by compose."""
    own = [container for container in containers if container.service in services]
    well = all(one.status == "running" and one.health in {"", "healthy"} for one in own)
    return well and leaves_alone(would_do, [container.name for container in own])


def ensure_replaced(site: Site, host: str, containers: tuple[ContainerFact, ...]) -> bool:
    """Put right what a compose left that was cut while it replaced containers; see `tasks.commands.replacing`.

    Running it twice is safe: what is put right is not found again.

    Args:
        site: The environment, its change allowed; no other command changes it.
        host: The host's name.
        containers: The application's containers there.

    Returns:
        True when there was something to put right.
    """
    found = half_replaced(containers)
    for one in found:
        log().warning("%s: compose was cut while it replaced %s; putting that right", host, one.name)
        result = site.hosts[host].run(site.change(host, one.argv(), seconds=60))
        if not result.ok:
            log().warning("%s: %s", host, result.tail(1))
    return bool(found)


def _why(site: Site, host: str, services: tuple[str, ...], earlier: Mapping[str, int]) -> str:
    """Name the services that are not well."""
    return "; ".join(ailing(read_containers(site.hosts[host], site.pipeline), services, earlier))


def ailing(
    containers: tuple[ContainerFact, ...], services: tuple[str, ...], earlier: Mapping[str, int]
) -> tuple[str, ...]:
    """Say which services are not well.

    Args:
        containers: What runs.
        services: What should site.
        earlier: Container id → how often it had been restarted before; a new container is not in it.

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
                found.append(f"{service} restarts again and again (exit status {container.exit_code})")
            # The engine calls what has a health check unhealthy as soon as it does not run.
            elif container.status != "running" and (container.exit_code or container.health == "unhealthy"):
                found.append(f"{service} ended with status {container.exit_code}")
            elif container.health == "unhealthy":
                found.append(f"{service} is unhealthy")
            elif container.health == "starting":
                found.append(f"{service} did not become healthy")
    return tuple(found)


def settle(site: Site, host: str, services: tuple[str, ...], earlier: Mapping[str, int]) -> None:
    """Watch services without a health check for the settling time: `up --wait` calls a crash loop healthy.

    Args:
        site: The environment, its change allowed.
        host: The host's name.
        services: The services that must site.
        earlier: Container id → restarts before the switch.

    Raises:
        TerminalError: A service ended or was restarted.
    """
    deadline = time.monotonic() + site.policy.timeouts.settle
    while True:
        containers = read_containers(site.hosts[host], site.pipeline)
        problems = ailing(containers, services, earlier)
        if problems:
            raise TerminalError(
                f"up: on {host} {'; '.join(problems)}",
                "look at the service's log there (`docker compose logs`)",
            )
        blind = any(not container.health for container in containers if container.service in services)
        left = deadline - time.monotonic()
        if not blind or left <= 0:
            return
        time.sleep(min(1.0, left))
