"""PURE: the scripts that make a throw-away copy of a database beside the live one, and what they print.

A copy is a container of the same image with a network of its own that leads nowhere. Both are labelled, which
is how a later run finds what a killed one left. No label of compose: neither compose nor a proxy nor Sluice's own
facts take a copy for a part of the application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.host.scripts import login, script
from tasks.kernel.argv import Argv, name

if TYPE_CHECKING:
    from tasks.database.commands.copied import LiveDatabase

LABEL = "sluice.copy"
EXIT_NO_SPACE = 71
EXIT_NO_NETWORK = 72
EXIT_NO_SETTINGS = 73
EXIT_NO_START = 74
EXIT_NOT_READY = 75

# Removes copies and their networks: those of one name, and those that are older than a day, whoever left them.
_CLEAR = rf"""
now=$(date +%s)
ours() {{
  [ "$1" = "$name" ] && return 0
  case $2 in ''|*[!0-9]*) return 1 ;; esac
  [ "$((now - $2))" -gt 86400 ]
}}
clear_copies() {{
  docker container ls --all --filter label={LABEL} --format '{{{{.Names}}}} {{{{.Label "{LABEL}.since"}}}}' |
  while read -r found since; do
    ours "$found" "$since" || continue
    docker container rm --force --volumes "$found" >/dev/null || exit 1
  done || return 1
  docker network ls --filter label={LABEL} --format '{{{{.Name}}}} {{{{.Label "{LABEL}.since"}}}}' |
  while read -r found since; do
    ours "$found" "$since" || continue
    attached='{{{{range $id, $_ := .Containers}}}}{{{{println $id}}}}{{{{end}}}}'
    for left in $(docker network inspect --format "$attached" "$found"); do
      docker network disconnect --force "$found" "$left"
    done
    docker network rm "$found" >/dev/null || exit 1
  done
}}
"""

CLEAR = (
    _CLEAR
    + r"""
name=$1
clear_copies
"""
)

# On the host: starts an empty copy: NAME LABEL BYTES LIVE COUNT…; what `docker run` is given follows. The first
# COUNT words are a command that prints its variables: it runs in the live container, and they reach the engine by a
# pipe; without LIVE they come by standard input. BYTES is the space the copy needs.
START = (
    _CLEAR
    + rf"""
name=$1; label=$2; needed=$3; live=$4; words=$5; shift 5
first() {{
  left=$words
  for word; do shift; [ "$left" -le 0 ] || set -- "$@" "$word"; left=$((left - 1)); done
  docker exec "$live" "$@"
}}
clear_copies & clearing=$!
root=$(docker info --format '{{{{.DockerRootDir}}}}') || exit 1
free=$(df -Pk "$root" 2>/dev/null | awk 'NR > 1 {{print $4}}')
case $free in ''|*[!0-9]*) free= ;; esac
if [ -n "$free" ] && [ "$((free / 1024))" -lt "$((needed / 1048576))" ]; then
  echo "$((free / 1024)) MiB are free for Docker, $((needed / 1048576)) MiB are needed" >&2; exit {EXIT_NO_SPACE}
fi
if [ -n "$live" ]; then variables=$(first "$@")
else variables=$(cat); fi || exit {EXIT_NO_SETTINGS}
shift "$words"
wait "$clearing" || exit 1
# Without an address of the host on it: its ports, those of the live database among them, would be reached there.
docker network create --internal --opt com.docker.network.bridge.inhibit_ipv4=true \
  --label "{LABEL}=$label" --label "{LABEL}.since=$now" "$name" >/dev/null || exit {EXIT_NO_NETWORK}
printf '%s\n' "$variables" | docker run --detach --name "$name" --network "$name" --env-file /dev/stdin \
  --label "{LABEL}=$label" --label "{LABEL}.since=$now" "$@" >/dev/null || exit {EXIT_NO_START}
"""
)

# On the host: waits until a copy is set up: NAME PROGRAM ARGUMENT…, which waits for it from within.
READY = rf"""
name=$1; shift
docker exec "$name" "$@" && exit 0
docker logs --tail 5 "$name" >&2
exit {EXIT_NOT_READY}
"""

# On the host: gives one command's output to another: COUNT…; the first COUNT words are the one.
PIPE = r"""
words=$1; shift
first() {
  left=$words
  for word; do shift; [ "$left" -le 0 ] || set -- "$@" "$word"; left=$((left - 1)); done
  "$@"
}
first "$@" | { shift "$words"; "$@"; }
"""

# On a drill host, with a login to the registry: prints an image it has, or pulls one: IMAGE….
FIND_IMAGE = r"""
for image; do docker image inspect --format '{{.Id}}' "$image" 2>/dev/null && exit 0; done
for image; do
  case $image in *@*) docker pull --quiet "$image" && exit 0 ;; esac
done
exit 1
"""

# On a drill host: removes the dump that was brought there, and what killed runs left more than a day ago: FOLDER NAME.
DROP_DUMP = r"""
cd -- "$1" 2>/dev/null || exit 0
rm -f -- "./$2"*
find . -mindepth 1 -maxdepth 1 -type f -mtime +0 -exec rm -f -- {} +
"""

# On the host: gives a file to a command's standard input: PATH PROGRAM ARGUMENT….
FEED = r"""
path=$1; shift
exec "$@" < "$path"
"""

# On the host: prints `sha256 bytes` of a file; the exit status 66 says that there is none: PATH.
CHECKSUM = r"""
[ -e "$1" ] || exit 66
sum=$(sha256sum < "$1") && size=$(wc -c < "$1") && printf '%s %s\n' "${sum%% *}" "$((size))"
"""


def start(
    copy: str,
    label: str,
    live: LiveDatabase,
    *,
    service: str,
    image: str,
    needed_bytes: int,
    variables: Argv,
    server: Argv,
) -> Argv:
    """Return the command, on the host, that starts an empty copy.

    The live application goes before it: the copy gets the processor that is left, and is the first to go where
    memory runs out.

    Args:
        label: `pipeline/environment`.
        service: Its compose service, by which the application reaches it.
        variables: What prints its variables in the live container, on that one's own host; empty elsewhere, where
            they come by standard input.
    """
    options = (
        "--pull=never",
        "--restart=no",
        "--cpu-shares=512",
        "--oom-score-adj=500",
        "--shm-size=1g",
        "--log-driver=json-file",
        *(f"--network-alias={alias}" for alias in dict.fromkeys((service, *live.aliases))),
    )
    source = live.container if variables else ""
    fixed = (_copy(copy), label, str(needed_bytes), source, str(len(variables)))
    return script(START, "sluice-copy-start", *fixed, *variables, *options, image, *server)


def inside(copy: str, argv: Argv) -> Argv:
    """Return the command, on the host, that runs another in a copy."""
    return ("docker", "exec", "-i", _copy(copy), *argv)


def ready(copy: str, waiting: Argv) -> Argv:
    """Return the command, on the host, that waits until a copy is set up."""
    return script(READY, "sluice-copy-ready", _copy(copy), *waiting)


def piped(one: Argv, other: Argv) -> Argv:
    """Return the command, on the host, that gives one command's output to another, whose status is the whole's."""
    return script(PIPE, "sluice-pipe", str(len(one)), *one, *other)


def feed(path: str, argv: Argv) -> Argv:
    """Return the command, on the host, that gives a file to a command's standard input."""
    return script(FEED, "sluice-feed", path, *argv)


def clear(copy: str) -> Argv:
    """Return the command, on the host, that removes a copy, and all that are older than a day."""
    return script(CLEAR, "sluice-copy-clear", _copy(copy))


def checksum(path: str) -> Argv:
    """Return the command, on the host, that prints `sha256 bytes` of a file."""
    return script(CHECKSUM, "sluice-checksum", path)


def find_image(live: LiveDatabase) -> Argv:
    """Return the command, on a drill host, that prints the live database's image as it is known there."""
    return login(script(FIND_IMAGE, "sluice-copy-image", live.image, *live.digests))


def drop_dump(folder: str, file: str) -> Argv:
    """Return the command, on a drill host, that removes the dump that was brought there."""
    return script(DROP_DUMP, "sluice-drop-dump", folder, file)


def _copy(copy: str) -> str:
    return name(copy, "copy")
