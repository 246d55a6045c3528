"""A release's services beside the live ones: the same bundle, images and variables, on a copy of the database."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tasks.database.commands import rehearsal
from tasks.database.commands.isolation import IsolatedPlace, breaches, override
from tasks.database.live import call
from tasks.host.compose import complaint
from tasks.host.read import QUICK
from tasks.host.shape import (
    bind_sources,
    linked_names,
    needed,
    parse_shape,
    patience,
    read_kinds,
    read_shape,
)
from tasks.kernel.argv import name as checked_name
from tasks.kernel.errors import TerminalError
from tasks.kernel.lines import lines
from tasks.kernel.protocols import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.manifests import Manifest
    from tasks.database.copies import Copy
    from tasks.host.compose import ComposeProject
    from tasks.host.shape import ComposeShape
    from tasks.kernel.protocols import Host, Result
    from tasks.steps.run import Run

_CLEAR_SECONDS = 120


@dataclass(frozen=True)
class IsolatedServices:
    """What a release's bundle says of the services that are to be tried.

    Attributes:
        project: The compose project on its bundle, all profiles in it.
        shape: What compose says, without values.
        needed: All that may be started: these, those beside them, and what they depend on.
        kinds: Path on the host → what is there.
    """

    manifest: Manifest
    project: ComposeProject
    shape: ComposeShape
    services: tuple[str, ...]
    missing: tuple[str, ...]
    needed: tuple[str, ...]
    kinds: Mapping[str, str]


@dataclass(frozen=True)
class Aside:
    """A release made ready to run beside the live one.

    Attributes:
        project: Its compose project, under a name of its own, with the override that isolates it.
    """

    release_id: str
    project: ComposeProject
    services: tuple[str, ...]
    missing: tuple[str, ...]
    patience_seconds: float


def describe(
    run: Run, *, host: str, manifest: Manifest, wanted: tuple[str, ...], beside: tuple[str, ...] = ()
) -> IsolatedServices:
    """Read how a release's services would run.

    Args:
        beside: Further services of which one-off containers are started.
    """
    everything = manifest.model_copy(update={"profiles": ("*",)})
    live = run.app(host).project(everything, current=False)
    shape = _read_shape(run.hosts[host], live)
    services = tuple(name for name in wanted if name in shape.services)
    backup = run.policy.backup
    all_of_them = needed(shape, (*services, *beside), backup.service if backup else "")
    return IsolatedServices(
        manifest=manifest,
        project=live,
        shape=shape,
        services=services,
        missing=tuple(name for name in wanted if name not in shape.services),
        needed=all_of_them,
        kinds=_read_kinds(run.hosts[host], live.directory, bind_sources(shape, all_of_them)),
    )


def _read_shape(there: Host, project: ComposeProject) -> ComposeShape:
    result = there.run(Call(argv=read_shape(project.config_json()), limits=QUICK))
    try:
        return parse_shape(result.stdout)
    except ValueError:
        # Never its standard output: it may hold values.
        raise _unreadable(there, project, result) from None


def _unreadable(there: Host, project: ComposeProject, result: Result) -> TerminalError:
    return TerminalError(
        f"compose on {there.name} cannot read {project.directory}: {complaint(result.stderr)}",
        "look at the compose files and the env file there; "
        f"to see compose's own message there: `{project.shown('config', '--quiet')}`",
    )


def _read_kinds(there: Host, bundle: str, paths: tuple[str, ...]) -> dict[str, str]:
    if not paths:
        return {}
    told = there.run(Call(argv=read_kinds(bundle, paths), limits=QUICK)).stdout.split()
    return dict(zip(paths, told, strict=False))


def set_aside(
    run: Run, copy: Copy, described: IsolatedServices, *, mark: str, role: str, folder: str
) -> Aside:
    """Write the override that takes a release's services out of the live application, and check that it does."""
    there, shape, services = run.hosts[copy.host], described.shape, described.needed
    place = IsolatedPlace(
        network=copy.network,
        container=copy.container,
        address=_address(there, copy) if linked_names(shape, copy.service) else "",
        database=copy.service,
        mark=mark,
        seconds=patience(shape, described.services, run.policy.timeouts.up),
    )
    file = f"{folder}/{role}.yaml"
    brought = _labels(there, described)
    there.write_file(file, override(shape, services, place, described.kinds, brought).encode(), mode=0o600)
    project = replace(
        described.project,
        name=checked_name(f"{mark}-{role}", "compose project"),
        files=(*described.project.files, file),
        profiles=(),
    )
    found = breaches(_read_shape(there, project), services, place, described.kinds)
    if found:
        raise TerminalError(
            f"{described.manifest.release.id} cannot be tried next to the live application on {there.name}: "
            f"{'; '.join(found)}",
            "docker compose 2.24.4 or later is needed there; nothing was started",
        )
    return Aside(described.manifest.release.id, project, described.services, described.missing, place.seconds)


def _labels(there: Host, described: IsolatedServices) -> tuple[str, ...]:
    """Return the labels that the images of the services to be started bring along."""
    images = described.project.argv("config", "--images", *described.needed)
    result = there.run(Call(argv=rehearsal.labels(images), limits=QUICK))
    if not result.ok:
        raise _unreadable(there, described.project, result)
    return tuple(sorted({json.loads(line) for line in lines(result.stdout) if line} - {""}))


def _address(there: Host, copy: Copy) -> str:
    told = there.run(Call(argv=rehearsal.address(copy.container), limits=QUICK)).stdout.split()
    return told[0] if told else ""


def clear(there: Host, *, mark: str, folder: str) -> None:
    """Remove a rehearsal's containers, volumes and files, and what killed ones left days ago."""
    result = there.run(call(rehearsal.clear(mark, folder), _CLEAR_SECONDS))
    if not result.ok:
        raise TerminalError(
            f"what the rehearsal {mark} left on {there.name} cannot be removed: {result.tail(2)}",
            "check the Docker engine there, then retry this run",
        )
