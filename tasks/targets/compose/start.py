"""Making a release current on a host and bringing its services up, with or without a flow around it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tasks.host.compose import leaves_alone
from tasks.host.replace import half_replaced
from tasks.kernel.errors import TerminalError
from tasks.kernel.logs import log
from tasks.release_data.carry import hand_over, leads_to, writers
from tasks.release_data.commands.carry import make_current
from tasks.targets.target.health import ailing, not_running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from tasks.host.app_host import AppHost
    from tasks.kernel.argv import Argv
    from tasks.kernel.protocols import Result

# A new container is mostly healthy after one or two seconds.
_LOOKS = 5
_SOON_SECONDS = 10.0
_LATER_SECONDS = 1.0


def start(app: AppHost, manifest: Manifest, *, left: Manifest | None = None) -> None:
    """Make a release current on a host and bring its services up.

    Compose starts only what does not run as described, and what an earlier try left half replaced is put right first.

    Args:
        left: The release whose data goes along; None for nobody's.

    Raises:
        TerminalError: The data could not be carried over, or the services do not all run and stay up.
    """
    what = f"up: {manifest.release.id} does not start on {app.name}"
    before = _make_current(app, manifest, left)
    earlier = {container.id: container.restarts for container in before}
    result = _bring_up(app, manifest, before)
    if not result.ok:
        why = ailing(app.containers(), manifest.services, earlier)
        raise _not_started(f"{what}: {'; '.join(why) or result.tail(1)}", result)
    await_well(app, manifest.services, earlier, what=what)


def _make_current(app: AppHost, manifest: Manifest, left: Manifest | None) -> tuple[ContainerFact, ...]:
    """Let `current` lead to a release; return the containers that are there then."""
    name, containers = manifest.release.id, app.containers()
    if (left or writers(app, containers)) and not leads_to(app, name):
        hand_over(app, containers, manifest, left)
        containers = app.containers()
    linked = app.change(make_current(app.directory, name), seconds=60)
    if not linked.ok:
        raise TerminalError(
            f"up: {app.directory}/current on {app.name} cannot be switched: {linked.tail(2)}",
            "check the permissions of that directory",
        )
    ensure_replaced(app, containers)
    return containers


def _bring_up(app: AppHost, manifest: Manifest, before: tuple[ContainerFact, ...]) -> Result:
    """Make all containers, then start them: what making them says decides whether what others need is waited for."""
    project, needed = app.project(manifest, current=True), manifest.depended_on
    made = _obey(app, project.create())
    # An engine that is slow may make a successor after the compose that asked for it was found gone.
    if not made.ok and ensure_replaced(app, app.containers()):
        made = _obey(app, project.create())
    if not made.ok:
        return made
    leaves = tuple(name for name in manifest.services if name not in needed)
    if leaves and _left_alone(before, needed, f"{made.stdout}\n{made.stderr}"):
        return _obey(app, project.up(*leaves, no_deps=True, recreate=False, remove_orphans=False))
    return _obey(app, project.up())


def start_stopped(app: AppHost, manifest: Manifest, services: tuple[str, ...]) -> tuple[str, ...]:
    """Start services of the running release that do not run any more, as they are; return which.

    An engine that was killed takes down the containers it finds when it is back, and leaves those with
    `restart: unless-stopped` down. Containers that are there are never made anew.

    Raises:
        TerminalError: The engine does not come back, or a service does not become healthy.
    """
    containers = app.containers(patient=True)
    stopped = not_running(containers, services)
    if not stopped:
        return ()
    ensure_replaced(app, containers)
    names = ", ".join(stopped)
    log().warning("%s: %s stopped meanwhile; starting again", app.name, names)
    what = f"revive: {names} stopped on {app.name} and cannot be started again"
    argv = app.project(manifest, current=True).up(*stopped, recreate=False, remove_orphans=False)
    result = _obey(app, argv)
    if not result.ok:
        raise _not_started(f"{what}: {result.tail(1)}", result)
    earlier = {container.id: container.restarts for container in app.containers()}
    await_well(app, stopped, earlier, what=what)
    return stopped


def _not_started(what: str, result: Result) -> TerminalError:
    return TerminalError(what, "check the service's log there (`docker compose logs`)", result.tail(40))


def stop(app: AppHost, manifest: Manifest) -> str:
    """Stop a release, and let no release be current; containers and volumes stay for a look."""
    result = app.change(app.project(manifest, current=False).argv("stop"), seconds=app.policy.timeouts.up)
    app.change(("rm", "-f", f"{app.directory}/current"), seconds=60)
    return "stopped" if result.ok else result.tail(1)


def pause(app: AppHost, manifest: Manifest, services: tuple[str, ...]) -> None:
    """Stop some services of the release that runs; database, containers and volumes stay.

    Raises:
        TerminalError: They do not stop.
    """
    if not services:
        # Compose would stop all of them.
        return
    argv = app.project(manifest, current=True).stop(*services)
    result = app.change(argv, seconds=app.policy.timeouts.up, on_line=log().info)
    if not result.ok:
        raise TerminalError(
            f"pause: the services on {app.name} do not stop: {result.tail(2)}",
            "look at the engine there",
            result.tail(30),
        )


def _obey(app: AppHost, argv: Argv) -> Result:
    return app.change(argv, seconds=app.policy.timeouts.up + 30, on_line=log().info)


def _left_alone(containers: tuple[ContainerFact, ...], services: tuple[str, ...], said: str) -> bool:
    """Say whether services ran well before and compose left them as they were."""
    own = [container for container in containers if container.service in services]
    well = all(one.status == "running" and one.health in {"", "healthy"} for one in own)
    names = {container.name for container in own}
    return well and leaves_alone(said, names, {container.name for container in containers} - names)


def ensure_replaced(app: AppHost, containers: tuple[ContainerFact, ...]) -> bool:
    """Put right what a compose left that was cut while it replaced containers; see `tasks.host.replace`.

    Running it twice is safe: what is put right is not found again.

    Returns:
        True when there was something to put right.
    """
    found = half_replaced(containers)
    for one in found:
        log().warning("%s: compose was interrupted while it replaced %s; repairing that", app.name, one.name)
        result = app.change(one.argv(), seconds=60)
        if not result.ok:
            log().warning("%s: %s", app.name, result.tail(1))
    return bool(found)


def await_well(app: AppHost, services: tuple[str, ...], earlier: Mapping[str, int], *, what: str) -> None:
    """Wait until services are healthy, then watch those without a health check for the settling time.

    `compose up --wait` looks twice a second, calls a crash loop healthy, and takes a service that did its work and
    ended for one that failed.

    Args:
        earlier: Container id → restarts before the switch.
        what: The first words of what is said when one is not well.

    Raises:
        TerminalError: A service ended or was restarted, is unhealthy, or did not become healthy in time.
    """
    began = time.monotonic()
    timeouts = app.policy.timeouts
    settled: float | None = None
    told: set[str] = set()
    while True:
        soon = time.monotonic() < began + _SOON_SECONDS
        containers = app.containers(looks=_LOOKS if soon else 0)
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
            log().info("%s: %s healthy", app.name, ", ".join(sorted(healthy - told)))
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
