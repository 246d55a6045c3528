"""PURE: the override that lets a release's services run on a copy of the database and touch nothing that is live.

It is a list of what may stay: every other key of a service is taken out, so that one nobody thought of cannot lead
out. Written for compose 2.24.4 and later, which know `!reset` and `!override`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.host.shape import linked_names, plain_path

if TYPE_CHECKING:
    from tasks.host.shape import ComposeShape, Service

LABEL = "sluice.rehearsal"
NETWORK = "sluice-copy"
LEFT_OUT = "sluice-left-out"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What a service keeps as it is: how its own process runs, and what it is given.
_OWN = _words(
    "image command entrypoint environment env_file user working_dir group_add tmpfs read_only init shm_size ulimits "
    "cap_drop hostname domainname stdin_open tty stop_signal stop_grace_period mem_limit mem_reservation "
    "mem_swappiness memswap_limit cpus cpu_count cpu_percent cpu_shares cpu_period cpu_quota cpuset pids_limit "
    "platform secrets configs expose sysctls runtime"
)
# What is written anew, whatever it was.
_ANEW = _words(
    "networks network_mode volumes depends_on links extra_hosts labels restart pull_policy deploy healthcheck "
    "cap_add security_opt"
)
# What a container shares with the copy of the database cannot be its own.
_SHARED_WITH_COPY = frozenset({"hostname", "domainname", "expose"})
# Docker's own default; whatever goes beyond it can reach the host.
_CAPABILITIES = _words(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT"
)
_PROBE_SECONDS = 0.5


@dataclass(frozen=True)
class IsolatedPlace:
    """Where the services run instead.

    Attributes:
        address: Its address on that network; empty where it is not known.
        mark: What tells the rehearsal's containers and volumes from all others; its projects' names begin with it.
    """

    network: str
    container: str
    address: str
    database: str
    mark: str
    seconds: float


def override(
    shape: ComposeShape,
    services: tuple[str, ...],
    place: IsolatedPlace,
    kinds: Mapping[str, str],
    brought: Iterable[str] = (),
) -> str:
    """Write the compose file that takes services out of the live application.

    Args:
        kinds: Path on the host → what is there: `file`, `inside` (a folder of the release's bundle), `outside` (any
            other folder), `missing`, or `other` (a socket, a device).
        brought: The labels of the images, which are emptied: proxies and schedulers on the host obey those of all
            containers.

    Returns:
        Its text: a file for compose, values as JSON, which is YAML.
    """
    others = sorted(shape.services.keys() - set(services))
    # Compose makes the networks and volumes of every service that is not left out.
    left_out = (f"  {json.dumps(name)}: {{profiles: !override {json.dumps([LEFT_OUT])}}}" for name in others)
    lines = ["services:", *left_out]
    labels = {**dict.fromkeys(brought, ""), LABEL: place.mark}
    for name in services:
        lines.append(f"  {json.dumps(name)}:")
        lines += [f"    {key}: {value}" for key, value in _service(shape, name, services, place, kinds)]
        lines.append(f"    labels: {_anew(labels)}")
    lines += ["networks:", f"  {NETWORK}: {_plain_json({'name': place.network, 'external': True})}"]
    volumes = sorted(set(_named_volumes(shape, services)))
    # Under the rehearsal's own project name, whatever name, driver or owner the live one has.
    lines += [
        "volumes:" if volumes else "volumes: {}",
        *(
            f"  {json.dumps(volume)}: !override {_plain_json({'labels': {LABEL: place.mark}})}"
            for volume in volumes
        ),
    ]
    return "\n".join(lines) + "\n"


def _service(
    shape: ComposeShape, name: str, services: tuple[str, ...], place: IsolatedPlace, kinds: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    service = shape.services[name]
    shares = service.get("network_mode") == "host"
    own = _OWN - _SHARED_WITH_COPY if shares else _OWN
    for key in sorted(service.keys() - own - _ANEW):
        yield key, "!reset null"
    yield from _network(shape, name, services, place)
    yield "volumes", _anew(_volumes(service, kinds))
    yield "depends_on", _anew(_dependencies(service, services))
    yield "restart", '"no"'
    yield "pull_policy", '"never"'
    yield "cap_add", _anew([cap for cap in service.get("cap_add") or [] if _harmless(cap)])
    yield (
        "security_opt",
        _anew([one for one in service.get("security_opt") or [] if one.startswith("no-new-pri")]),
    )
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits")
    yield "deploy", _anew({"resources": {"limits": limits}}) if limits else "!reset null"
    if not (service.get("healthcheck") or {}).get("disable"):
        yield "healthcheck", _plain_json(_probes(place.seconds))


def _network(
    shape: ComposeShape, name: str, services: tuple[str, ...], place: IsolatedPlace
) -> Iterator[tuple[str, str]]:
    service = shape.services[name]
    mode = service.get("network_mode")
    if mode == "host":
        # What it reaches as localhost is then the copy, and nothing else.
        yield "network_mode", f"!override {json.dumps(f'container:{place.container}')}"
    elif mode == "none":
        return
    else:
        yield "network_mode", "!reset null"
        yield "networks", _anew({NETWORK: {"aliases": _aliases(service)} if _aliases(service) else None})
        kept = [link for link in service.get("links") or [] if link.partition(":")[0] in services]
        yield "links", _anew(kept)
        others = linked_names(shape, place.database) if place.address else ()
        yield "extra_hosts", _anew([f"{other}={place.address}" for other in others])
        return
    for key in ("networks", "links", "extra_hosts"):
        yield key, "!reset null"


def _aliases(service: Service) -> list[str]:
    """Return the names beside its own by which others reach a service; a container's name is one of them."""
    networks = service.get("networks") or {}
    names = {alias for network in networks.values() for alias in (network or {}).get("aliases") or []}
    return sorted(names | ({service["container_name"]} if service.get("container_name") else set()))


def _volumes(service: Service, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    found = (_mount(mount, kinds) for mount in service.get("volumes") or [])
    return [mount for mount in found if mount]


def _mount(mount: Service, kinds: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what takes a mount's place, None for nothing."""
    target = {"target": mount["target"]}
    empty = {"type": "volume", **target}
    match mount.get("type"):
        case "volume":
            return empty | ({"source": mount["source"]} if mount.get("source") else {})
        case "tmpfs" | "image":
            return dict(mount)
        case "bind":
            kind = kinds.get(plain_path(str(mount.get("source"))), "other")
            if kind in {"file", "inside"}:
                return {"type": "bind", "source": mount["source"], **target, "read_only": True}
            return empty if kind in {"outside", "missing"} else None
    return None


def _dependencies(service: Service, services: tuple[str, ...]) -> dict[str, Any]:
    wanted = service.get("depends_on") or {}
    return {
        name: {"condition": (how or {}).get("condition", "service_started")}
        for name, how in wanted.items()
        if name in services
    }


def _named_volumes(shape: ComposeShape, services: Iterable[str]) -> Iterator[str]:
    for name in services:
        for mount in shape.services[name].get("volumes") or []:
            if mount.get("type") == "volume" and mount.get("source"):
                yield str(mount["source"])


def _harmless(capability: str) -> bool:
    return capability.upper().removeprefix("CAP_") in _CAPABILITIES


def _probes(seconds: float) -> dict[str, Any]:
    """Return a health check's timing: looked at often, never given up before the time is up."""
    return {
        "interval": f"{int(_PROBE_SECONDS * 1000)}ms",
        "start_period": "0s",
        "retries": max(3, int(seconds / _PROBE_SECONDS)),
    }


def breaches(
    shape: ComposeShape, services: tuple[str, ...], place: IsolatedPlace, kinds: Mapping[str, str]
) -> tuple[str, ...]:
    """Say what of an overridden application would still reach something live.

    Args:
        kinds: As for `override`.

    Returns:
        One line for each breach; none when it may be started.
    """
    found = [
        line for name in services for line in _breaches(name, shape.services.get(name) or {}, place, kinds)
    ]
    for volume in sorted(set(_named_volumes(shape, services))):
        what = shape.volumes.get(volume) or {}
        if what.get("external") or not str(what.get("name", "")).startswith(place.mark):
            found.append(f"volume {volume} would be the live one")
    return tuple(found)


def _breaches(name: str, service: Service, place: IsolatedPlace, kinds: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{name} still has {key}" for key in sorted(service.keys() - _OWN - _ANEW))
    mode = service.get("network_mode")
    if mode not in {None, "none", f"container:{place.container}"}:
        yield f"{name} would be on the network of {mode}"
    if mode is None and set(service.get("networks") or {}) != {NETWORK}:
        yield f"{name} would be on other networks"
    for mount in service.get("volumes") or []:
        source = plain_path(str(mount.get("source")))
        if mount.get("type") == "bind" and not (
            mount.get("read_only") and kinds.get(source) in {"file", "inside"}
        ):
            yield f"{name} would mount {source}"
    if any(not _harmless(cap) for cap in service.get("cap_add") or []):
        yield f"{name} still has capabilities"


def _anew(value: Any) -> str:  # noqa: ANN401 - JSON is any
    return f"!override {_plain_json(value)}" if value else "!reset null"


def _plain_json(value: Any) -> str:  # noqa: ANN401 - JSON is any
    return json.dumps(value, sort_keys=True)
