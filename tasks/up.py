"""Starting a release on a host, and starting the one before it again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt, UpReceipt
from tasks.commands.scripts import link
from tasks.errors import TerminalError
from tasks.facts import read_containers
from tasks.step import log, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import ContainerFact
    from tasks.commands.compose import ComposeProject
    from tasks.run import Run


@step("up", UpReceipt)
def up(
    run: Run, *, host: str, release_id: str, project: ComposeProject, services: tuple[str, ...]
) -> UpReceipt:
    """Switch a host to a release: make its bundle current and start what changed.

    Running it twice is safe: compose starts only what does not run as described.

    Args:
        run: The promotion.
        host: The host's name.
        release_id: The release.
        project: The compose project on the current bundle.
        services: The services that must run afterwards.

    Returns:
        What runs.

    Raises:
        TerminalError: A service did not become healthy, ended, or restarts again and again.
    """
    return start(run, host=host, release_id=release_id, project=project, services=services)


@step("restore", UpReceipt)
def restore(
    run: Run, *, host: str, release_id: str, project: ComposeProject, services: tuple[str, ...]
) -> UpReceipt:
    """Start the release that ran before again, after the new one failed.

    Running it twice is safe, like `up`.

    Args:
        run: The promotion.
        host: The host's name.
        release_id: The release that ran before.
        project: The compose project on the current bundle, with that release's files.
        services: The services that must run afterwards.

    Returns:
        What runs.

    Raises:
        TerminalError: It does not come up either.
    """
    return start(run, host=host, release_id=release_id, project=project, services=services)


@step("stop", StepReceipt)
def stop(run: Run, *, host: str, project: ComposeProject) -> StepReceipt:
    """Stop a release that failed where nothing ran before. Containers and volumes stay for a look.

    Running it twice is safe: what is stopped stays stopped.

    Args:
        run: The promotion.
        host: The host's name.
        project: The compose project on the current bundle.

    Returns:
        A line that says so.
    """
    result = run.hosts[host].run(run.change(host, project.argv("stop"), seconds=run.policy.timeouts.up))
    unlink = ("rm", "-f", f"{run.directories[host]}/current")
    run.hosts[host].run(run.change(host, unlink, seconds=60))
    return StepReceipt(text=f"{host}: stopped" if result.ok else f"{host}: {result.tail(1)}")


def start(
    run: Run, *, host: str, release_id: str, project: ComposeProject, services: tuple[str, ...]
) -> UpReceipt:
    """Make a release current on a host and bring its services up.

    Args:
        run: The promotion.
        host: The host's name.
        release_id: The release.
        project: The compose project on the current bundle.
        services: The services that must run afterwards.

    Returns:
        What runs.

    Raises:
        TerminalError: The services do not all run and stay up.
    """
    began = time.monotonic()
    there, directory = run.hosts[host], run.directories[host]
    linked = there.run(run.change(host, link(f"releases/{release_id}", f"{directory}/current"), seconds=60))
    if not linked.ok:
        raise TerminalError(
            f"up: {directory}/current on {host} cannot be switched: {linked.tail(2)}",
            "look at the permissions of that directory",
        )
    earlier = {container.id: container.restarts for container in read_containers(there, run.pipeline)}
    seconds = run.policy.timeouts.up
    argv = project.up(wait_seconds=int(seconds))
    result = there.run(run.change(host, argv, seconds=seconds + 30), on_line=log().info)
    if not result.ok:
        raise TerminalError(
            f"up: {release_id} does not come up on {host}: {_why(run, host, services, earlier) or result.tail(1)}",
            "look at the service's log there (`docker compose logs`)",
            result.tail(40),
        )
    settle(run, host, services, earlier)
    return UpReceipt(host=host, services=services, seconds=time.monotonic() - began)


def _why(run: Run, host: str, services: tuple[str, ...], earlier: Mapping[str, int]) -> str:
    """Name the services that are not well."""
    return "; ".join(ailing(read_containers(run.hosts[host], run.pipeline), services, earlier))


def ailing(
    containers: tuple[ContainerFact, ...], services: tuple[str, ...], earlier: Mapping[str, int]
) -> tuple[str, ...]:
    """Say which services are not well.

    Args:
        containers: What runs.
        services: What should run.
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
            elif container.status != "running" and container.exit_code != 0:
                found.append(f"{service} ended with status {container.exit_code}")
            elif container.health == "unhealthy":
                found.append(f"{service} is unhealthy")
            elif container.health == "starting":
                found.append(f"{service} did not become healthy")
    return tuple(found)


def settle(run: Run, host: str, services: tuple[str, ...], earlier: Mapping[str, int]) -> None:
    """Watch services without a health check for the settling time: `up --wait` calls a crash loop healthy.

    Args:
        run: The promotion.
        host: The host's name.
        services: The services that must run.
        earlier: Container id → restarts before the switch.

    Raises:
        TerminalError: A service ended or was restarted.
    """
    deadline = time.monotonic() + run.policy.timeouts.settle
    while True:
        containers = read_containers(run.hosts[host], run.pipeline)
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
