"""Facts about services, read from what compose says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blocks.values.base import Value


class PublishedPort(Value):
    """A port that a service takes on its host.

    Attributes:
        service: The service.
        host_ip: The address it is bound to, empty for all.
        port: The port on the host.
        protocol: `tcp` or `udp`.
    """

    service: str
    host_ip: str
    port: int
    protocol: str


def published_ports(config: Mapping[str, Any]) -> tuple[PublishedPort, ...]:
    """Return the ports that services take on their host; ports the engine chooses are not among them.

    Args:
        config: `docker compose config --format json`, parsed.

    Returns:
        The ports, a range as its single ports.
    """
    return tuple(
        PublishedPort(
            service=name,
            host_ip=str(entry.get("host_ip") or ""),
            port=port,
            protocol=str(entry.get("protocol") or "tcp"),
        )
        for name, service in (config.get("services") or {}).items()
        for entry in service.get("ports") or []
        for port in _port_range(str(entry.get("published") or ""))
    )


def tcp_ports(config: Mapping[str, Any]) -> frozenset[int]:
    """Return the TCP ports that services take on their host."""
    return frozenset(port.port for port in published_ports(config) if port.protocol == "tcp")


def _port_range(published: str) -> Iterator[int]:
    first, _, last = published.partition("-")
    if first.isdecimal() and (last.isdecimal() or not last):
        # 0 leaves the choice to the engine.
        yield from range(max(1, int(first)), min(int(last or first), 65535) + 1)


def depended_on(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the services that others need to run, whatever the kind of need.

    Returns:
        Their names, sorted.
    """
    services: Mapping[str, Any] = config.get("services") or {}
    found = {name for service in services.values() for name in _needs(service)}
    return tuple(sorted(found & set(services)))


def _needs(service: Mapping[str, Any]) -> Iterator[str]:
    yield from service.get("depends_on") or ()
    for link in service.get("links") or ():
        yield str(link).partition(":")[0]
    for source in service.get("volumes_from") or ():
        yield str(source).partition(":")[0]
    for kind in ("network_mode", "ipc", "pid", "uts"):
        word, _, name = str(service.get(kind) or "").partition(":")
        if word == "service":
            yield name
