"""PURE: the scripts that read a host in one round trip, and the parsers of what they print."""

from __future__ import annotations

import json
import re
from typing import Any

from blocks.values.facts import ContainerFact, Readiness
from blocks.values.release_data import MountFact
from tasks.host.scripts import text_of
from tasks.kernel.lines import lines

READINESS = text_of("readiness")
CONTAINERS = text_of("containers")
RUNNING = text_of("running")
IN_SERVICE = text_of("service")
# What it ends with where no container of the service runs.
NOT_RUNNING = 66

_PUBLISHED = re.compile(r":(\d+)(?:-(\d+))?->")


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(key, value) for key, mark, value in (line.partition("=") for line in lines(text)) if mark]


def _kilobytes(text: str | None) -> int | None:
    return int(text) * 1024 if text and text.isdigit() else None


def parse_readiness(text: str) -> Readiness:
    """Read what `READINESS` printed."""
    pairs = _pairs(text)
    single = dict(pairs)
    owners: dict[int, str] = {}
    for key, value in pairs:
        if key == "ports":
            project, _, ports = value.partition(" ")
            owners.update(dict.fromkeys(_published(ports), project))
    return Readiness(
        engine=single.get("engine", "").strip(),
        compose=single.get("compose", "").strip(),
        free_bytes=_kilobytes(single.get("free")) or 0,
        docker_free_bytes=_kilobytes(single.get("docker_free")),
        has_flock="flock" in single,
        listening=frozenset(int(value.rpartition(":")[2], 16) for key, value in pairs if key == "listen"),
        owners=owners,
        problem=single.get("problem", "").strip(),
    )


def _published(ports: str) -> list[int]:
    found: list[int] = []
    for first, last in _PUBLISHED.findall(ports):
        found.extend(range(int(first), int(last or first) + 1))
    return found


def parse_containers(text: str) -> tuple[ContainerFact, ...]:
    """Read what `CONTAINERS` printed.

    Returns:
        The application's containers, one-offs left out, sorted by service.
    """
    facts = [_container(entry) for entry in json.loads(text) if not _one_off(entry)]
    return tuple(sorted(facts, key=lambda fact: (fact.service, fact.image)))


def parse_others(text: str, project: str) -> tuple[ContainerFact, ...]:
    """Read what `RUNNING` printed.

    Returns:
        The containers that are none of its services, by their names: one-offs, those started by hand, other projects'.
    """
    facts = []
    for line in lines(text):
        entry = json.loads(line)
        if _labels(entry).get("com.docker.compose.project") != project or _one_off(entry):
            fact = _container(entry)
            facts.append(fact.model_copy(update={"service": fact.name}))
    return tuple(facts)


def _labels(entry: dict[str, Any]) -> dict[str, str]:
    return entry.get("Config", {}).get("Labels") or {}


def _one_off(entry: dict[str, Any]) -> bool:
    return _labels(entry).get("com.docker.compose.oneoff", "").lower() == "true"


def _container(entry: dict[str, Any]) -> ContainerFact:
    state = entry.get("State", {})
    return ContainerFact(
        id=entry.get("Id", ""),
        service=_labels(entry).get("com.docker.compose.service", ""),
        image=entry.get("Config", {}).get("Image", ""),
        status=state.get("Status", ""),
        health=(state.get("Health") or {}).get("Status", ""),
        restarts=entry.get("RestartCount", 0),
        exit_code=state.get("ExitCode", 0),
        created_at=entry.get("Created", ""),
        started_at=state.get("StartedAt", ""),
        name=entry.get("Name", "").removeprefix("/"),
        successor="com.docker.compose.replace" in _labels(entry),
        mounts=tuple(map(_mount, entry.get("Mounts") or [])),
    )


def _mount(entry: dict[str, Any]) -> MountFact:
    bind = entry.get("Type") == "bind"
    return MountFact(
        target=entry.get("Destination", ""),
        source=entry.get("Source", "") if bind else "",
        writable=entry.get("RW", True),
    )
