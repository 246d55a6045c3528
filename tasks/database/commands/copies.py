"""PURE: the scripts that make a throw-away copy of a database beside the live one, and what they print.

A copy is a container of the same image with a network of its own that leads nowhere. Both are labelled, which
is how a later run finds what a killed one left. No label of compose: neither compose nor a proxy nor Sluice's own
facts take a copy for a part of the application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.database.commands.live_database import ROLES
from tasks.database.commands.pg import LOGIN, psql
from tasks.host.scripts import script
from tasks.kernel.argv import Argv, name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.database.commands.live_database import LiveDatabase

LABEL = "sluice.copy"
EXIT_NO_SPACE = 71
EXIT_NO_NETWORK = 72
EXIT_NO_SETTINGS = 73
EXIT_NO_START = 74
EXIT_NOT_READY = 75

# What of the live server's settings a restore or a migration may depend on. Nothing that names files or hosts.
_SETTINGS = frozenset(
    {
        "shared_preload_libraries",
        "max_connections",
        "max_locks_per_transaction",
        "max_prepared_transactions",
        "cron.database_name",
    }
)
# It is thrown away, so nothing is written twice or waited for, and nothing runs beside the migration.
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "archive_mode": "off",
}

# Inside the live database's container: the variables the copy's image is started with, as an env file. A password
# that the image was never given (its data is older) is made up: the roles bring the real one. The method `md5`
# takes a password however it is stored. The database itself is made by the restore.
_VARIABLES = (
    LOGIN
    + r"""
for key in USER PASSWORD HOST_AUTH_METHOD INITDB_ARGS DB; do
  given "POSTGRES_$key"
  case $key in
    PASSWORD) [ -n "$value" ] || value=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n') ;;
    HOST_AUTH_METHOD) value=${value:-md5} ;;
    INITDB_ARGS) value="$value -N" ;;
    DB) value=postgres ;;
  esac
  [ -z "$value" ] || printf 'POSTGRES_%s=%s\n' "$key" "$value"
done
"""
)

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

# On the host: starts an empty copy: NAME LABEL BYTES LIVE INNER OPTION…; what `docker run` is given follows.
# Its variables are read from the live container and reach the engine by a pipe; without LIVE they come by standard
# input. BYTES is the space the copy needs.
START = (
    _CLEAR
    + rf"""
name=$1; label=$2; needed=$3; live=$4; inner=$5; shift 5
clear_copies & clearing=$!
root=$(docker info --format '{{{{.DockerRootDir}}}}') || exit 1
free=$(df -Pk "$root" 2>/dev/null | awk 'NR > 1 {{print $4}}')
case $free in ''|*[!0-9]*) free= ;; esac
if [ -n "$free" ] && [ "$((free / 1024))" -lt "$((needed / 1048576))" ]; then
  echo "$((free / 1024)) MiB are free for Docker, $((needed / 1048576)) MiB are needed" >&2; exit {EXIT_NO_SPACE}
fi
if [ -n "$live" ]; then variables=$(docker exec "$live" sh -c "$inner" sluice-variables '' '')
else variables=$(cat); fi || exit {EXIT_NO_SETTINGS}
wait "$clearing" || exit 1
# Without an address of the host on it: its ports, those of the live database among them, would be reached there.
docker network create --internal --opt com.docker.network.bridge.inhibit_ipv4=true \
  --label "{LABEL}=$label" --label "{LABEL}.since=$now" "$name" >/dev/null || exit {EXIT_NO_NETWORK}
printf '%s\n' "$variables" | docker run --detach --name "$name" --network "$name" --env-file /dev/stdin \
  --label "{LABEL}=$label" --label "{LABEL}.since=$now" "$@" >/dev/null || exit {EXIT_NO_START}
"""
)

# On the host: waits until a copy accepts logins over the network, which it does only when it is set up: NAME USER
# SECONDS.
READY = rf"""
docker exec "$1" sh -c '
tries=$(($2 * 10))
until pg_isready --quiet --host=127.0.0.1 --username="$1"; do
  tries=$((tries - 1)); [ "$tries" -gt 0 ] || exit 1
  sleep 0.1
done' sluice-ready "$2" "$3" && exit 0
docker logs --tail 5 "$1" >&2
exit {EXIT_NOT_READY}
"""

# On the host: gives a copy the live database's roles: LIVE INNER USER DATABASE NAME SUPERUSER. Those that are there
# already are changed to what they are in the live one.
GIVE_ROLES = r"""
docker exec "$1" sh -c "$2" sluice-roles "$3" "$4" '' |
  docker exec -i "$5" psql --no-psqlrc --quiet --no-password --username="$6" --dbname=template1
"""

# Inside the copy: restores standard input: USER. The archive becomes a file first, which several jobs can read.
_RESTORE = (
    LOGIN
    + r"""
archive=/tmp/sluice.dump
trap 'rm -f "$archive"' EXIT
cat > "$archive" || { echo "No space left on device" >&2; exit 1; }
jobs=$(nproc 2>/dev/null); [ "${jobs:-1}" -le 4 ] || jobs=4
PGOPTIONS='-c maintenance_work_mem=256MB' pg_restore --create --clean --if-exists --no-password --jobs="${jobs:-1}" \
  --username="$user" --dbname=template1 "$archive"
"""
)

# On the host: restores a dump into a copy: PATH NAME INNER USER.
RESTORE = r"""
exec docker exec -i "$2" sh -c "$3" sluice-restore "$4" '' < "$1"
"""

# On the host: prints `sha256 bytes` of a file; the exit status 66 says that there is none: PATH.
CHECKSUM = r"""
[ -e "$1" ] || exit 66
sum=$(sha256sum < "$1") && size=$(wc -c < "$1") && printf '%s %s\n' "${sum%% *}" "$((size))"
"""


def server_words(settings: Mapping[str, str]) -> Argv:
    """Return how a copy's server is started: like the live one where it matters, and else as fast as can be."""
    own = {key: value for key, value in settings.items() if key in _SETTINGS}
    log = {"wal_level": "logical"} if settings.get("wal_level") == "logical" else _LEAST_LOG
    chosen = {**own, **log, **_FAST}
    return ("postgres", *(word for key, value in chosen.items() for word in ("-c", f"{key}={value}")))


_LEAST_LOG = {"wal_level": "minimal", "max_wal_senders": "0"}


def start(
    copy: str,
    label: str,
    live: LiveDatabase,
    *,
    service: str,
    image: str,
    needed_bytes: int,
    beside: bool,
) -> Argv:
    """Return the command, on the host, that starts an empty copy.

    The live application goes before it: the copy gets the processor that is left, and is the first to go where
    memory runs out.

    Args:
        copy: The name of container and network.
        label: `pipeline/environment`.
        service: Its compose service, by which the application reaches it.
        image: The image, as the host knows it.
        beside: True on the live database's own host; otherwise its variables come by standard input.
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
    words = (*options, image, *server_words(live.settings))
    source = live.container if beside else ""
    return script(
        START, "sluice-copy-start", _copy(copy), label, str(needed_bytes), source, _VARIABLES, *words
    )


def ready(copy: str, superuser: str, seconds: int) -> Argv:
    """Return the command, on the host, that waits until a copy is set up."""
    return script(READY, "sluice-copy-ready", _copy(copy), superuser, str(seconds))


def give_roles(copy: str, live: LiveDatabase) -> Argv:
    """Return the command, on the live database's host, that gives a copy there its roles."""
    words = (live.container, ROLES, live.user, live.database, _copy(copy), live.superuser)
    return script(GIVE_ROLES, "sluice-copy-roles", *words)


def restore(path: str, copy: str, superuser: str) -> Argv:
    """Return the command, on the host, that restores a dump into a copy."""
    return script(RESTORE, "sluice-copy-restore", path, _copy(copy), _RESTORE, superuser)


def clear(copy: str) -> Argv:
    """Return the command, on the host, that removes a copy, and all that are older than a day."""
    return script(CLEAR, "sluice-copy-clear", _copy(copy))


def checksum(path: str) -> Argv:
    """Return the command, on the host, that prints `sha256 bytes` of a file."""
    return script(CHECKSUM, "sluice-checksum", path)


def query_copy(copy: str, user: str, database: str) -> Argv:
    """Return the command, on the host, that runs SQL from standard input in a copy."""
    return ("docker", "exec", "-i", _copy(copy), *psql(user, database))


def restore_errors(stderr: str, most: int = 10) -> tuple[str, ...]:
    """Return what `pg_restore` complained about, a line each, without the statements it echoes."""
    lines = (line.removeprefix("pg_restore: ") for line in stderr.splitlines())
    found = [line.removeprefix("error: ") for line in lines if line.startswith(("error: ", "fatal: "))]
    left_out = len(found) - most
    return (*found[:most], *([f"and {left_out} more"] if left_out > 0 else []))


def _copy(copy: str) -> str:
    return name(copy, "copy")
