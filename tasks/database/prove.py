"""Whether a release runs: its services are started aside, and their own health checks are asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from blocks.values.evidence import HealthProof
from tasks.database.commands import rehearsal
from tasks.database.live import call
from tasks.host.read import QUICK, read_containers
from tasks.kernel.errors import TerminalError
from tasks.kernel.poll import poll
from tasks.kernel.protocols import Call
from tasks.kernel.redact import reason_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blocks.values.facts import ContainerFact
    from tasks.database.isolated_release import Aside
    from tasks.kernel.protocols import Host
    from tasks.steps.run import Run

_PAUSE_SECONDS = 0.1
_CLEAR_SECONDS = 120


def prove(run: Run, host: str, aside: Aside, *, seconds: float) -> HealthProof:
    """Start a release's services on the copy and see whether they become healthy; then end them."""
    began = time.monotonic()
    passed, reason = _try(run, run.hosts[host], aside, seconds)
    proof = HealthProof(
        release_id=aside.release_id,
        services=aside.services,
        passed=passed,
        reason=reason_line(reason),
        seconds=time.monotonic() - began,
    )
    run.hosts[host].run(call(rehearsal.end(aside.project.name), _CLEAR_SECONDS))
    return proof


def _try(run: Run, there: Host, aside: Aside, seconds: float) -> tuple[bool | None, str]:
    if not aside.services:
        return None, f"it has no service {', '.join(aside.missing) or 'to start'}"
    deadline = time.monotonic() + seconds
    argv = aside.project.up(*aside.services, remove_orphans=False)
    try:
        started = there.run(call(argv, seconds + 60))
    except TerminalError as error:
        return None, error.what
    if not started.ok:
        return _not_started(there, aside, started.tail(1))
    containers = poll(
        lambda: read_containers(there, aside.project.name),
        lambda found: any(map(_fails, found)) or not _waiting(aside, found),
        seconds=max(0.0, deadline - time.monotonic()),
        every=_PAUSE_SECONDS,
    )
    bad, waiting = next(filter(_fails, containers), None), _waiting(aside, containers)
    if bad is not None:
        return False, _complaint(there, bad)
    if waiting:
        return False, f"not healthy within {seconds:.0f} s: {_complaint(there, waiting[0])}"
    return _verdict(run, there, aside, containers)


def _waiting(aside: Aside, containers: Iterable[ContainerFact]) -> list[ContainerFact]:
    return [one for one in containers if one.service in aside.services and one.health == "starting"]


def _fails(container: ContainerFact) -> bool:
    ended = container.status in {"exited", "dead"} and container.exit_code != 0
    return ended or container.health == "unhealthy"


def _not_started(there: Host, aside: Aside, said: str) -> tuple[bool | None, str]:
    """Tell a service that failed from one that could not be tried."""
    bad = next((one for one in read_containers(there, aside.project.name) if _fails(one)), None)
    return (False, _complaint(there, bad)) if bad else (None, said)


def _complaint(there: Host, container: ContainerFact) -> str:
    """Say what is wrong with a container, in its own last words."""
    words = there.run(Call(argv=rehearsal.last_words(container.id), limits=QUICK))
    what = f"ended with status {container.exit_code}" if container.status == "exited" else "is not healthy"
    return f"{container.service} {what}: {words.reason() or 'it said nothing'}"


def _verdict(
    run: Run, there: Host, aside: Aside, containers: tuple[ContainerFact, ...]
) -> tuple[bool | None, str]:
    own = [one for one in containers if one.service in aside.services]
    check = run.policy.database.check
    if check is not None:
        return _checked(run, there, own, check)
    blind = sorted({one.service for one in own if not one.health})
    if blind:
        return None, f"{', '.join(blind)} has no health check: give it one, or set database.check"
    return (True, "") if own else (None, "no container was started")


def _checked(
    run: Run, there: Host, own: list[ContainerFact], check: tuple[str, ...]
) -> tuple[bool | None, str]:
    first = next((one for one in own if one.status == "running"), None)
    if first is None:
        return None, "no container runs that database.check could be run in"
    seconds = run.policy.timeouts.up
    done = there.run(call(("docker", "exec", first.id, *check), seconds))
    return done.ok, "" if done.ok else f"database.check ended with status {done.exit_code}: {done.reason()}"
