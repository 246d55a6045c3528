"""A throw-away PostgreSQL server like the live one, the roles it needs, and a restore into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.database.postgresql.login import LOGIN
from tasks.host.scripts import script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.database.commands.copied import LiveDatabase
    from tasks.database.engine.protocols import Login
    from tasks.kernel.argv import Argv

RESTORE_TOOL = "pg_restore"

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
_LEAST_LOG = {"wal_level": "minimal", "max_wal_senders": "0"}

# USER DATABASE SQL.
_DESCRIBE = (
    LOGIN
    + r"""
printf 'user=%s\ndatabase=%s\n' "$user" "$database"
given POSTGRES_USER; printf 'superuser=%s\n' "${value:-postgres}"
exec psql --no-psqlrc --quiet --tuples-only --no-align --no-password --username="$user" --dbname="$database" \
  --command="$3"
"""
)
_DESCRIBE_SQL = """
select 'bytes=' || pg_database_size(current_database())
union all
select 'setting=' || name || '=' || setting from pg_settings where name in ('shared_preload_libraries',
  'max_connections', 'max_locks_per_transaction', 'max_prepared_transactions', 'cron.database_name', 'wal_level')
"""

# The variables the copy's image is started with, as an env file. A password that the image was never given (its data
# is older) is made up: the roles bring the real one. The method `md5` takes a password however it is stored. The
# database itself is made by the restore.
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

# Over the network a server accepts logins only when it is set up: USER SECONDS.
_READY = r"""
tries=$(($2 * 10))
until pg_isready --quiet --host=127.0.0.1 --username="$1"; do
  tries=$((tries - 1)); [ "$tries" -gt 0 ] || exit 1
  sleep 0.1
done
"""

# Without passwords where those may not be read, or not be taken along: USER DATABASE OPTION.
_ROLES = (
    LOGIN
    + r"""
roles() { pg_dumpall --roles-only --no-password --username="$user" --database="$database" "$@"; }
if [ -z "$3" ]; then roles 2>/dev/null && exit 0; fi
roles --no-role-passwords
"""
)

# USER. The archive becomes a file first, which several jobs can read.
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


def describe(login: Login) -> Argv:
    """Return the command that describes the live database."""
    return script(_DESCRIBE, "sluice-live", *login, _DESCRIBE_SQL)


def variables() -> Argv:
    """Return the command, in the live container, that prints the variables a copy beside it is started with."""
    return script(_VARIABLES, "sluice-variables", "", "")


def bare_variables(live: LiveDatabase) -> bytes:
    """Return the variables a copy on another host is started with: no secrets, since nobody logs in there."""
    values = {"USER": live.superuser, "DB": "postgres", "HOST_AUTH_METHOD": "trust", "INITDB_ARGS": "-N"}
    return "".join(f"POSTGRES_{key}={value}\n" for key, value in values.items()).encode()


def server(settings: Mapping[str, str]) -> Argv:
    """Return how a copy's server is started: like the live one where it matters, and else as fast as can be."""
    own = {key: value for key, value in settings.items() if key in _SETTINGS}
    log = {"wal_level": "logical"} if settings.get("wal_level") == "logical" else _LEAST_LOG
    chosen = {**own, **log, **_FAST}
    return ("postgres", *(word for key, value in chosen.items() for word in ("-c", f"{key}={value}")))


def ready(superuser: str, seconds: int) -> Argv:
    """Return the command that waits until a copy is set up."""
    return script(_READY, "sluice-ready", superuser, str(seconds))


def roles(login: Login, *, passwords: bool) -> Argv:
    """Return the command that prints the live database's roles."""
    return script(_ROLES, "sluice-roles", *login, "" if passwords else "--no-role-passwords")


def take_roles(superuser: str) -> Argv:
    """Return the command that gives a copy the roles from standard input."""
    return (
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        f"--username={superuser}",
        "--dbname=template1",
    )


def restore(superuser: str) -> Argv:
    """Return the command that restores a dump from standard input."""
    return script(_RESTORE, "sluice-restore", superuser, "")


def restore_errors(stderr: str, most: int = 10) -> tuple[str, ...]:
    """Return what `pg_restore` complained about, a line each, without the statements it echoes."""
    lines = (line.removeprefix("pg_restore: ") for line in stderr.splitlines())
    found = [line.removeprefix("error: ") for line in lines if line.startswith(("error: ", "fatal: "))]
    left_out = len(found) - most
    return (*found[:most], *([f"and {left_out} more"] if left_out > 0 else []))


def duplicate(database: str, name: str) -> str:
    """Return the SQL that makes a second database like one that nobody is connected to but who asks."""
    first, second = ('"' + one.replace('"', '""') + '"' for one in (database, name))
    return f"create database {second} template {first};\n"
