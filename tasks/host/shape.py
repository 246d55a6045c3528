"""PURE: how an application's services would run on a host, read without the values they are told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.host.scripts import shell
from tasks.kernel.argv import Argv

Service = Mapping[str, Any]

_DURATION = re.compile(r"([\d.]+)(h|ms|us|µs|ns|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class ComposeShape:
    """An application as compose has read it, without its values.

    Attributes:
        services: Service → what compose says about it, `null` for what was left out.
        volumes: Volume → its name, and whether it is external.
    """

    services: Mapping[str, Service]
    volumes: Mapping[str, Mapping[str, Any]]


def read_shape(argv: Argv) -> Argv:
    """Return the command that prints an application's shape, given the one that prints its configuration."""
    return shell("shape", *argv)


def read_kinds(bundle: str, paths: tuple[str, ...]) -> Argv:
    """Return the command that says what is at each path, one line each."""
    return shell("kinds", bundle, *paths)


def parse_shape(text: str) -> ComposeShape:
    """Read what `SHAPE` printed."""
    found = json.loads(text)
    return ComposeShape(services=found.get("services") or {}, volumes=found.get("volumes") or {})


def needed(shape: ComposeShape, services: Iterable[str], database: str) -> tuple[str, ...]:
    """Return the services that must be started: those named and all they depend on, but the database."""
    found: set[str] = set()
    rest = list(services)
    while rest:
        name = rest.pop()
        if name in shape.services and name not in found and name != database:
            found.add(name)
            rest.extend(shape.services[name].get("depends_on") or {})
    return tuple(sorted(found))


def bind_sources(shape: ComposeShape, services: Iterable[str]) -> tuple[str, ...]:
    """Return the paths on the host that services mount, sorted."""
    return tuple(
        sorted(
            {
                plain_path(mount["source"])
                for name in services
                for mount in shape.services[name].get("volumes") or []
                if mount.get("type") == "bind" and mount.get("source")
            }
        )
    )


def linked_names(shape: ComposeShape, database: str) -> tuple[str, ...]:
    """Return the names that services give the database by `links`, sorted; the copy has all its other names."""
    links = (
        link.partition(":") for service in shape.services.values() for link in service.get("links") or []
    )
    return tuple(sorted({alias for target, _, alias in links if target == database and alias}))


def patience(shape: ComposeShape, services: Iterable[str], at_most: float) -> float:
    """Return how long services may take to become healthy, by their own health checks.

    Args:
        at_most: The most it may be, also for a service whose image says how it is looked at.

    Returns:
        Seconds.
    """
    return min(
        at_most,
        max((_tolerance(shape.services[name].get("healthcheck"), at_most) for name in services), default=0.0),
    )


def _tolerance(health: Service | None, unknown: float) -> float:
    if not health or health.get("disable"):
        return unknown
    once = seconds_of(health.get("interval"), 30.0) + seconds_of(health.get("timeout"), 30.0)
    return seconds_of(health.get("start_period"), 0.0) + once * int(health.get("retries") or 3)


def seconds_of(text: str | None, otherwise: float) -> float:
    """Return the seconds of a duration as compose writes it (`1m30s`)."""
    if not text:
        return otherwise
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def plain_path(path: object) -> str:
    """Return a path, or any value, as it was meant: compose doubles each `$` in what it prints."""
    return str(path).replace("$$", "$")
