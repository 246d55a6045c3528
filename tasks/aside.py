"""A release's services beside the live ones: the same bundle, images and variables, on a copy of the database."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blocks.values.evidence import HealthProof
from tasks.adapters.protocols import Call, Limits
from tasks.adapters.redact import process_redactor
from tasks.commands import rehearsal
from tasks.commands.argv import name as checked_name
from tasks.commands.isolation import Place, bind_sources, breaches, linked_names, needed, override, patience
from tasks.errors import TerminalError
from tasks.reading import QUICK, read_containers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from tasks.adapters.protocols import Host
    from tasks.commands.compose import ComposeProject
    from tasks.commands.isolation import Shape
    from tasks.copies import Copy
    from tasks.run import Run

_PAUSE_SECONDS = 0.1
_CLEAR_SECONDS = 120
_REASON_LENGTH = 300


@dataclass(frozen=True)
class Described:
    """What a release's bundle says of the services that are to be tried.

    Attributes:
        manifest: The release, as the host knows it.
        project: The compose project on its bundle, all profiles in it.
        shape: What compose says, without values.
        services: Those of the services to be tried that it has.
        missing: Those it does not have.
        needed: All that may be started: these, those beside them, and what they depend on.
        kinds: Path on the host → what is there.
    """

    manifest: Manifest
    project: ComposeProject
    shape: Shape
    services: tuple[str, ...]
    missing: tuple[str, ...]
    needed: tuple[str, ...]
    kinds: Mapping[str, str]


@dataclass(frozen=True)
class Aside:
    """A release made ready to run beside the live one.

    Attributes:
        release_id: The release.
        project: Its compose project, under a name of its own, with the override that isolates it.
        services: The services that are tried.
        missing: The services it does not have.
        patience_seconds: How long they may take to become healthy, by their own health checks.
    """

    release_id: str
    project: ComposeProject
    services: tuple[str, ...]
    missing: tuple[str, ...]
    patience_seconds: float


def describe(
    run: Run, *, host: str, manifest: Manifest, wanted: tuple[str, ...], beside: tuple[str, ...] = ()
) -> Described:
    """Read how a release's services would run.

    Args:
        run: The promotion.
        host: The host its bundle is on.
        manifest: The release, as the host knows it.
        wanted: The services that are to be tried.
        beside: Further services of which one-off containers are started.

    Returns:
        The description; nothing was started or written.

    Raises:
        TerminalError: Compose cannot read the bundle.
    """
    live = run.project(
        host,
        release_id=manifest.release.id,
        files=manifest.compose_files,
        profiles=("*",),
        env_file=manifest.env_file,
    )
    shape = _read_shape(run.hosts[host], live)
    services = tuple(name for name in wanted if name in shape.services)
    backup = run.policy.backup
    all_of_them = needed(shape, (*services, *beside), backup.service if backup else "")
    return Described(
        manifest=manifest,
        project=live,
        shape=shape,
        services=services,
        missing=tuple(name for name in wanted if name not in shape.services),
        needed=all_of_them,
        kinds=_read_kinds(run.hosts[host], live.directory, bind_sources(shape, all_of_them)),
    )


def _read_shape(there: Host, project: ComposeProject) -> Shape:
    result = there.run(Call(argv=rehearsal.shape(project.config_json()), limits=QUICK))
    try:
        return rehearsal.parse_shape(result.stdout)
    except ValueError:
        # Never its standard output: it may hold values.
        said = (result.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        raise TerminalError(
            f"compose on {there.name} cannot read {project.directory}: {said}",
            "look at the compose files and the env file there",
        ) from None


def _read_kinds(there: Host, bundle: str, paths: tuple[str, ...]) -> dict[str, str]:
    if not paths:
        return {}
    told = there.run(Call(argv=rehearsal.kinds(bundle, paths), limits=QUICK)).stdout.split()
    return dict(zip(paths, told, strict=False))


def set_aside(run: Run, copy: Copy, described: Described, *, mark: str, role: str, folder: str) -> Aside:
    """Write the override that takes a release's services out of the live application, and check that it does.

    Args:
        run: The promotion.
        copy: The copy of the database.
        described: The release.
        mark: What tells the rehearsal's containers from all others.
        role: What tells this release from the other one.
        folder: The rehearsal's folder on the host.

    Returns:
        The release, ready to be started.

    Raises:
        TerminalError: Something live would still be reached; nothing was started.
    """
    there, shape, services = run.hosts[copy.host], described.shape, described.needed
    place = Place(
        network=copy.network,
        container=copy.container,
        address=_address(there, copy) if linked_names(shape, copy.service) else "",
        database=copy.service,
        mark=mark,
        seconds=patience(shape, described.services, run.policy.timeouts.up),
    )
    file = f"{folder}/{role}.yaml"
    there.write_file(file, override(shape, services, place, described.kinds).encode(), mode=0o600)
    project = replace(
        described.project,
        name=checked_name(f"{mark}-{role}", "compose project"),
        files=(*described.project.files, file),
        profiles=(),
    )
    found = breaches(_read_shape(there, project), services, place, described.kinds)
    if found:
        raise TerminalError(
            f"{described.manifest.release.id} cannot be tried beside the live application on {there.name}: "
            f"{'; '.join(found)}",
            "docker compose 2.24.4 or later is needed there; nothing was started",
        )
    return Aside(described.manifest.release.id, project, described.services, described.missing, place.seconds)


def _address(there: Host, copy: Copy) -> str:
    told = there.run(Call(argv=rehearsal.address(copy.container), limits=QUICK)).stdout.split()
    return told[0] if told else ""


def clear(there: Host, *, mark: str, folder: str) -> None:
    """Remove a rehearsal's containers, volumes and files, and what killed ones left days ago.

    Raises:
        TerminalError: Something cannot be removed.
    """
    result = there.run(Call(rehearsal.clear(mark, folder), limits=Limits(_CLEAR_SECONDS, _CLEAR_SECONDS)))
    if not result.ok:
        raise TerminalError(
            f"what the rehearsal {mark} left on {there.name} cannot be removed: {result.tail(2)}",
            "look at the Docker engine there, then retry this run",
        )


def prove(run: Run, host: str, aside: Aside, *, seconds: float) -> HealthProof:
    """Start a release's services on the copy and see whether they become healthy; then end them.

    Args:
        run: The promotion.
        host: The host.
        aside: The release.
        seconds: How long they may take.

    Returns:
        Whether the release runs on the schema the copy has.
    """
    began = time.monotonic()
    passed, reason = _try(run, run.hosts[host], aside, seconds)
    proof = HealthProof(
        release_id=aside.release_id,
        services=aside.services,
        passed=passed,
        reason=one_line(reason),
        seconds=time.monotonic() - began,
    )
    run.hosts[host].run(
        Call(rehearsal.end(aside.project.name), limits=Limits(_CLEAR_SECONDS, _CLEAR_SECONDS))
    )
    return proof


def _try(run: Run, there: Host, aside: Aside, seconds: float) -> tuple[bool | None, str]:
    if not aside.services:
        return None, f"it has no service {', '.join(aside.missing) or 'to start'}"
    deadline = time.monotonic() + seconds
    argv = aside.project.up(*aside.services, remove_orphans=False)
    try:
        started = there.run(Call(argv=argv, limits=Limits(seconds + 60, seconds + 60)))
    except TerminalError as error:
        return None, error.what
    if not started.ok:
        return _not_started(there, aside, started.tail(1))
    while True:
        containers = read_containers(there, aside.project.name)
        bad = next((one for one in containers if _fails(one)), None)
        waiting = [one for one in containers if one.service in aside.services and one.health == "starting"]
        if bad is not None:
            return False, _complaint(there, bad)
        if not waiting:
            return _verdict(run, there, aside, containers)
        if time.monotonic() >= deadline:
            return False, f"not healthy within {seconds:.0f} s: {_complaint(there, waiting[0])}"
        time.sleep(_PAUSE_SECONDS)


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
    """Judge services none of which fails or is still starting."""
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
    done = there.run(Call(argv=("docker", "exec", first.id, *check), limits=Limits(seconds, seconds)))
    return (
        done.ok,
        "" if done.ok else f"{' '.join(check)} failed with status {done.exit_code}: {done.reason()}",
    )


def one_line(text: str) -> str:
    """Return what a program said as one line without secrets, of a bearable length."""
    line = " ".join(process_redactor().text(text).split())
    return line if len(line) <= _REASON_LENGTH else f"{line[: _REASON_LENGTH - 1]}…"
