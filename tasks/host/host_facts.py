"""PURE: the scripts that read a host in one round trip, and the parsers of what they print.

The scripts are constants; what varies comes in as positional parameters.
"""

from __future__ import annotations

import json
import re
from typing import Any

from blocks.values.facts import ContainerFact, Readiness
from blocks.values.release_data import MountFact
from tasks.kernel.lines import lines

# One process on the host answers everything the preflight asks: a round trip each would cost more than the facts.
READINESS = r"""
directory=$1
while [ -n "$directory" ] && [ ! -d "$directory" ]; do
    case $directory in */*) directory=${directory%/*} ;; *) directory=. ;; esac
done
[ -n "$directory" ] || directory=/
engine() {
    if server=$(docker version --format '{{.Server.Version}}' 2>&1); then
        printf 'engine=%s\n' "$server"
    else
        printf 'problem=%s\n' "$(printf '%s' "$server" | tr '\n' ' ')"
    fi
}
compose() { printf 'compose=%s\n' "$(docker compose version --short 2>/dev/null)"; }
engine_disk() {
    root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null) &&
        printf 'docker_free=%s\n' "$(df -Pk "$root" 2>/dev/null | awk 'NR > 1 {print $4}')"
}
ports() {
    found=$(docker ps --format 'ports={{.Label "com.docker.compose.project"}} {{.Ports}}' 2>/dev/null) &&
        [ -n "$found" ] && printf '%s\n' "$found"
}
# Side by side: each starts a client of its own. Each line is written in one go, so none is torn.
engine & compose & engine_disk & ports &
printf 'free=%s\n' "$(df -Pk "$directory" | awk 'END {print $4}')"
command -v flock >/dev/null 2>&1 && printf 'flock=yes\n'
awk '$4 == "0A" {print "listen=" $2}' /proc/net/tcp /proc/net/tcp6 2>/dev/null
wait
exit 0
"""

# With a second parameter it first looks that often, five times a second, for one that starts no more or has changed:
# each look is a program, which takes from what starts.
CONTAINERS = r"""
list() { docker ps -aq --filter "label=com.docker.compose.project=$1"; }
ids=$(list "$1") || exit 1
[ -n "$ids" ] || { printf '[]\n'; exit 0; }
looks=${2:-0} first=
while [ "$looks" -gt 0 ]; do
    now=$(docker inspect --format '{{.State.Status}}{{with .State.Health}} {{.Status}}{{end}}' $ids 2>/dev/null) ||
        { ids=$(list "$1") || exit 1; break; }
    case $now in *' starting'*) ;; *) break ;; esac
    [ "$now" = "${first:=$now}" ] || break
    looks=$((looks - 1))
    sleep 0.2 2>/dev/null || sleep 1
done
[ -n "$ids" ] || { printf '[]\n'; exit 0; }
docker inspect $ids
"""

# Every container of the host that runs, a line of JSON each, with what tells whose it is and what it mounts.
RUNNING = r"""
ids=$(docker ps -q --no-trunc) || exit 1
[ -n "$ids" ] || exit 0
docker inspect --format '{"Id":{{json .Id}},"Name":{{json .Name}},"Config":{"Labels":{{json .Config.Labels}}},'\
'"State":{"Status":{{json .State.Status}},"StartedAt":{{json .State.StartedAt}}},"Mounts":{{json .Mounts}}}' $ids
exit 0
"""

# The exit status 66 says that no container of the service runs.
IN_SERVICE = r"""
id=$(docker ps -q --filter "label=com.docker.compose.project=$1" --filter "label=com.docker.compose.service=$2" \
    --filter "label=com.docker.compose.oneoff=False" --filter status=running | head -n 1) || exit 1
[ -n "$id" ] || exit 66
shift 2
exec docker exec -i "$id" "$@"
"""
NOT_RUNNING = 66

_PUBLISHED = re.compile(r":(\d+)(?:-(\d+))?->")


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(key, value) for key, mark, value in (line.partition("=") for line in lines(text)) if mark]


def _kilobytes(text: str | None) -> int | None:
    return int(text) * 1024 if text and text.isdigit() else None


def parse_readiness(text: str) -> Readiness:
    """Read what `READINESS` printed.

    Returns:
        The facts; what was not printed is empty.
    """
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
