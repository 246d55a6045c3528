"""Making a release current on a host and bringing its services up, with or without a flow around it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from blocks.values.receipts import UpReceipt
from tasks.host.compose import leaves_alone
from tasks.host.read import await_containers, read_containers
from tasks.host.replace import half_replaced
from tasks.kernel.errors import TerminalError
from tasks.kernel.logs import log
from tasks.release_data.carry import hand_over, leads_to, writers
from tasks.release_data.commands.carry import make_current

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import ContainerFact
    from tasks.host.compose import ComposeProject
    from tasks.kernel.argv import Argv
    from tasks.kernel.protocols import Result
    from tasks.release_data.carry import Handover
    from tasks.steps.site import Site

# A new container is mostly healthy after one or two seconds.
_LOOKS = 5
_SOON_SECONDS = 10.0
_LATER_SECONDS = 1.0


def start(
    site: Site,
    *,
    host: str,
    release_id: str,
    project: ComposeProject,
    services: tuple[str, ...],
    depended_on: tuple[str, ...] = (),
    handover: Handover | None = None,
) -> UpReceipt:
    """Make a release current on a host and bring its services up.

    Args:
        site: The environment, its change allowed.
        project: The compose project on the current bundle.
        services: The services that must run afterwards.
        depended_on: Those of them that others need to run; none where that is not known.
        handover: Whose data goes along; None for nobody's.

    Raises:
        TerminalError: The data could not be carried over, or the services do not all run and stay up.
    """
    began = time.monotonic()
    there, directory = site.hosts[host], site.directories[host]
    containers = read_containers(there, site.pipeline)
    if (handover or writers(site, host, containers)) and not leads_to(site, host, release_id):
        hand_over(site, host, containers, handover)
        containers = read_containers(there, site.pipeline)
    linked = there.run(site.change(host, make_current(directory, release_id), seconds=60))
    if not linked.ok:
        raise TerminalError(
            f"up: {directory}/current on {host} cannot be switched: {linked.tail(2)}",
            "check the permissions of that directory",
        )
    ensure_replaced(site, host, containers)
    earlier = {container.id: container.restarts for container in containers}
    # Nothing starts before everything is made: what this says decides whether what others need is waited for.
    made = _obey(site, host, project.create())
    # An engine that is slow may make a successor after the compose that asked for it was found gone.
    if not made.ok and ensure_replaced(site, host, read_containers(there, site.pipeline)):
        made = _obey(site, host, project.create())
    result = made
    if made.ok:
        argv = project.up()
        leaves = tuple(name for name in services if name not in depended_on)
        if leaves and _left_alone(containers, depended_on, f"{made.stdout}\n{made.stderr}"):
            argv = project.up(*leaves, no_deps=True, recreate=False, remove_orphans=False)
        result = _obey(site, host, argv)
    if not result.ok:
        why = ailing(read_containers(there, site.pipeline), services, earlier)
        raise TerminalError(
            f"up: {release_id} does not start on {host}: {'; '.join(why) or result.tail(1)}",
            "check the service's log there (`docker compose logs`)",
            result.tail(40),
        )
    await_well(site, host, services, earlier, what=f"up: {release_id} does not start on {host}")
    return UpReceipt(host=host, services=services, seconds=time.monotonic() - began)


def start_stopped(site: Site, *, host: str, project: ComposeProject, services: tuple[str, ...]) -> UpReceipt:
    """Start services of the running release that do not run any more, as they are, with or without a flow around it.

    Args:
        site: The environment, its change allowed.
        project: The compose project on the running release's bundle.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The engine does not come back, or a service does not become healthy.
    """
    began = time.monotonic()
    there = site.hosts[host]
    containers = await_containers(there, site.pipeline)
    stopped = not_running(containers, services)
    if stopped:
        ensure_replaced(site, host, containers)
        log().warning("%s: %s stopped meanwhile; starting again", host, ", ".join(stopped))
        argv = project.up(*stopped, recreate=False, remove_orphans=False)
        result = _obey(site, host, argv)
        what = f"revive: {', '.join(stopped)} stopped on {host} and cannot be started again"
        if not result.ok:
            raise TerminalError(
                f"{what}: {result.tail(1)}",
                "look at the service's log there (`docker compose logs`)",
                result.tail(40),
            )
        earlier = {container.id: container.restarts for container in read_containers(there, site.pipeline)}
        await_well(site, host, stopped, earlier, what=what)
    return UpReceipt(host=host, services=stopped, seconds=time.monotonic() - began)


def not_running(containers: tuple[ContainerFact, ...], services: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of some services have no running container."""
    running = {container.service for container in containers if container.status == "running"}
    return tuple(service for service in services if service not in running)


def _obey(site: Site, host: str, argv: Argv) -> Result:
    """Have compose change a host."""
    seconds = site.policy.timeouts.up + 30
    return site.hosts[host].run(site.change(host, argv, seconds=seconds), on_line=log().info)


def _left_alone(containers: tuple[ContainerFact, ...], services: tuple[str, ...], said: str) -> bool:
    """Say whether services ran well before and compose left them as they were."""
    own = [container for container in containers if container.service in services]
    well = all(one.status == "running" and one.health in {"", "healthy"} for one in own)
    names = {container.name for container in own}
    return well and leaves_alone(said, names, {container.name for container in containers} - names)


def ensure_replaced(site: Site, host: str, containers: tuple[ContainerFact, ...]) -> bool:
    """Put right what a compose left that was cut while it replaced containers; see `tasks.host.replace`.

    Running it twice is safe: what is put right is not found again.

    Args:
        site: The environment, its change allowed; no other command changes it.

    Returns:
        True when there was something to put right.
    """
    found = half_replaced(containers)
    for one in found:
        log().warning("%s: compose was interrupted while it replaced %s; repairing that", host, one.name)
        result = site.hosts[host].run(site.change(host, one.argv(), seconds=60))
        if not result.ok:
            log().warning("%s: %s", host, result.tail(1))
    return bool(found)


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


def await_well(
    site: Site, host: str, services: tuple[str, ...], earlier: Mapping[str, int], *, what: str
) -> None:
    """Wait until services are healthy, then watch those without a health check for the settling time.

    `compose up --wait` looks twice a second, calls a crash loop healthy, and takes a service that did its work and
    ended for one that failed.

    Args:
        site: The environment, its change allowed.
        services: The services that must run.
        earlier: Container id → restarts before the switch.
        what: The first words of what is said when one is not well.

    Raises:
        TerminalError: A service ended or was restarted, is unhealthy, or did not become healthy in time.
    """
    began = time.monotonic()
    timeouts = site.policy.timeouts
    settled: float | None = None
    told: set[str] = set()
    while True:
        soon = time.monotonic() < began + _SOON_SECONDS
        containers = read_containers(site.hosts[host], site.pipeline, looks=_LOOKS if soon else 0)
        own = [container for container in containers if container.service in services]
        now = time.monotonic()
        problems = ailing(containers, services, earlier, patient=now < began + timeouts.up)
        if problems:
            raise TerminalError(
                f"{what}: {'; '.join(problems)}", "check the service's log there (`docker compose logs`)"
            )
        starting = {container.service for container in own if container.health == "starting"}
        healthy = {container.service for container in own if container.health == "healthy"} - starting
        if healthy - told:
            log().info("%s: %s healthy", host, ", ".join(sorted(healthy - told)))
            told |= healthy
        if starting:
            if not soon:
                time.sleep(_LATER_SECONDS)
            continue
        if settled is None:
            settled = now + timeouts.settle
        if all(container.health for container in own) or now >= settled:
            return
        time.sleep(min(_LATER_SECONDS, settled - now))
