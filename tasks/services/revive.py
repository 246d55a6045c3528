"""Starting again what a fault stopped of the release that runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from blocks.values.receipts import UpReceipt
from tasks.host.read import await_containers, read_containers
from tasks.kernel.errors import TerminalError
from tasks.services.start import await_well, ensure_replaced
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from blocks.values.facts import ContainerFact
    from tasks.host.compose import ComposeProject
    from tasks.steps.run import Run


@step("revive", UpReceipt)
def revive(run: Run, *, host: str, project: ComposeProject, services: tuple[str, ...]) -> UpReceipt:
    """Start services of the running release that ran when the promotion began and do not any more.

    An engine that was killed takes down the containers it finds when it is back, and leaves those with
    `restart: unless-stopped` down. Containers that are there are started as they are, never made anew.

    Running it twice is safe: what runs is left alone.

    Args:
        run: The promotion, holding the lease.
        host: The host's name.
        project: The compose project on the running release's bundle.
        services: The services that ran.

    Returns:
        What was started.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The engine does not come back, or a service does not become healthy.
    """
    began = time.monotonic()
    there = run.hosts[host]
    containers = await_containers(there, run.pipeline)
    stopped = not_running(containers, services)
    if stopped:
        ensure_replaced(run, host, containers)
        log().warning("%s: %s stopped meanwhile; starting again", host, ", ".join(stopped))
        argv = project.up(*stopped, recreate=False, remove_orphans=False)
        result = there.run(run.change(host, argv, seconds=run.policy.timeouts.up + 30), on_line=log().info)
        what = f"revive: {', '.join(stopped)} stopped on {host} and cannot be started again"
        if not result.ok:
            raise TerminalError(
                f"{what}: {result.tail(1)}",
                "look at the service's log there (`docker compose logs`)",
                result.tail(40),
            )
        earlier = {container.id: container.restarts for container in read_containers(there, run.pipeline)}
        await_well(run, host, stopped, earlier, what=what)
    return UpReceipt(host=host, services=stopped, seconds=time.monotonic() - began)


def not_running(containers: tuple[ContainerFact, ...], services: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of some services have no running container.

    Args:
        containers: The application's containers.
        services: The services.
    """
    running = {container.service for container in containers if container.status == "running"}
    return tuple(service for service in services if service not in running)
