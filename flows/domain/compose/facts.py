"""Facts about services, read from what compose says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from blocks.values.base import Value
from flows.domain.words.text import one_line
from tasks.kernel.errors import TerminalError

DatabaseKind = Literal["postgresql", "mysql", "mongodb"]

_BY_IMAGE: tuple[tuple[str, DatabaseKind], ...] = (
    ("postgres", "postgresql"),
    ("postgis", "postgresql"),
    ("pgvector", "postgresql"),
    ("timescale", "postgresql"),
    ("mysql", "mysql"),
    ("mariadb", "mysql"),
    ("percona", "mysql"),
    ("mongo", "mongodb"),
)
# Tools beside a database carry its name in theirs.
_NOT_A_DATABASE = ("exporter", "backup", "pgadmin", "admin", "express", "bouncer", "pgpool", "client")
_BY_VARIABLE: tuple[tuple[str, DatabaseKind], ...] = (
    ("POSTGRES_PASSWORD", "postgresql"),
    ("POSTGRES_PASSWORD_FILE", "postgresql"),
    ("MYSQL_ROOT_PASSWORD", "mysql"),
    ("MARIADB_ROOT_PASSWORD", "mysql"),
    ("MONGO_INITDB_ROOT_PASSWORD", "mongodb"),
)


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
    """Return the TCP ports that services take on their host.

    Args:
        config: What compose read.
    """
    return frozenset(port.port for port in published_ports(config) if port.protocol == "tcp")


def _port_range(published: str) -> Iterator[int]:
    first, _, last = published.partition("-")
    if first.isdecimal() and (last.isdecimal() or not last):
        # 0 leaves the choice to the engine.
        yield from range(max(1, int(first)), min(int(last or first), 65535) + 1)


def depended_on(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the services that others need to run, whatever the kind of need.

    Args:
        config: What compose read.

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


def database_service_kind(config: Mapping[str, Any], service: str) -> DatabaseKind | None:
    """Say which database a service runs.

    Args:
        config: What compose read.
        service: The service's name.

    Returns:
        The kind, by image name or, for an image of the team's own, by its variables; None for no database.

    Raises:
        TerminalError: There is no such service.
    """
    services = config.get("services") or {}
    if service not in services:
        names = ", ".join(sorted(map(one_line, services))) or "none"
        raise TerminalError(
            f"service {one_line(service)!r} is not in the compose files", f"there are: {names}"
        )
    found = services[service]
    return _kind(found) or (_by_variables(found) if found.get("build") else None)


def database_services(config: Mapping[str, Any]) -> dict[str, DatabaseKind]:
    """Return the services whose image is a known database.

    Args:
        config: What compose read.

    Returns:
        Service → kind.
    """
    kinds = {name: _kind(service) for name, service in (config.get("services") or {}).items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _kind(service: Mapping[str, Any]) -> DatabaseKind | None:
    reference = str(service.get("image") or "").partition("@")[0].lower()
    # Neither registry nor organisation says what runs inside.
    name = reference.rpartition("/")[2].partition(":")[0]
    if any(word in name for word in _NOT_A_DATABASE):
        return None
    return next((kind for word, kind in _BY_IMAGE if word in name), None)


def _by_variables(service: Mapping[str, Any]) -> DatabaseKind | None:
    environment = service.get("environment") or {}
    # An application that uses a database names its host as well.
    if any(key in environment for key in ("POSTGRES_SERVER", "POSTGRES_HOST", "DATABASE_URL", "DB_HOST")):
        return None
    return next((kind for variable, kind in _BY_VARIABLE if variable in environment), None)
