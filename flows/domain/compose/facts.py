"""Facts about services, read from what compose says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def tcp_ports(config: Mapping[str, Any]) -> frozenset[int]:
    """Return the TCP ports that services take on their host; ports the engine chooses are not among them.

    Args:
        config: `docker compose config --format json`, parsed.
    """
    return frozenset(
        port
        for service in (config.get("services") or {}).values()
        for entry in service.get("ports") or []
        if (entry.get("protocol") or "tcp") == "tcp"
        for port in _port_range(str(entry.get("published") or ""))
    )


def _port_range(published: str) -> Iterator[int]:
    first, _, last = published.partition("-")
    if first.isdecimal() and (last.isdecimal() or not last):
        # 0 leaves the choice to the engine.
        yield from range(max(1, int(first)), min(int(last or first), 65535) + 1)


def depended_on(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the services that others need to run, whatever the kind of need."""
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
