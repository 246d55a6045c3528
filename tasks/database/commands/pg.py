"""PostgreSQL commands inside the database's own container, and reading dumps back.

User and database are those the image was started with, unless the pipeline names others: `USER DATABASE`,
either may be empty. The official image accepts each variable also as a file (`POSTGRES_USER_FILE`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tasks.host.scripts import script
from tasks.kernel.argv import Argv
from tasks.kernel.lines import lines

if TYPE_CHECKING:
    from blocks.pipeline.sections import DatabaseRules

# A table in a dump's table of contents: `215; 1259 16385 TABLE public orders shop`. Its rows are an entry of their own
# (`TABLE DATA`), without the number of the catalog of tables; those of a `FOREIGN TABLE` are in no dump.
_TABLE = re.compile(r"\d+; 1259 \d+ TABLE ")

# Sets user and database from the arguments or the image's variables, and the password psql and its kin ask
# for where the server wants one even on its own socket.
LOGIN = r"""
given() {
  eval "value=\${$1:-}; file=\${$1_FILE:-}"
  [ -n "$value" ] || [ -z "$file" ] || value=$(cat -- "$file")
}
user=$1
[ -n "$user" ] || { given POSTGRES_USER; user=${value:-postgres}; }
database=$2
[ -n "$database" ] || { given POSTGRES_DB; database=${value:-$user}; }
given POSTGRES_PASSWORD
[ -z "$value" ] || { PGPASSWORD=$value; export PGPASSWORD; }
"""

# Writes a dump in PostgreSQL's custom format to standard output: USER DATABASE. Since version 16 it can be
# compressed with zstd, three times faster than the default; a server may be built without it, which the
# client says before it connects anywhere.
PG_DUMP = (
    LOGIN
    + r"""
compress=1
version=$(pg_dump --version) && version=${version##*) } && version=${version%%[!0-9]*}
if [ "${version:-0}" -ge 16 ]; then
  case $(pg_dump --format=custom --compress=zstd:1 --host=/nonexistent --file=/dev/null 2>&1) in
    *compress*) ;;
    *) compress=zstd:1 ;;
  esac
fi
exec pg_dump --format=custom --compress="$compress" --username="$user" --dbname="$database" --no-password
"""
)

# Runs SQL from standard input: USER DATABASE. One row a line, its fields separated by tabs.
PSQL = (
    LOGIN
    + r"""
exec psql --no-psqlrc --quiet --tuples-only --no-align --field-separator="	" \
  --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --no-password --file=-
"""
)

# Restores a dump from standard input into a new database, which takes the place of one of that name:
# USER DATABASE NAME. With a single transaction: it is there whole, or empty.
PG_RESTORE = (
    LOGIN
    + r"""
dropdb --if-exists --force --username="$user" --no-password -- "$3" || exit 1
createdb --template=template0 --username="$user" --no-password -- "$3" || exit 1
exec pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --no-password \
  --username="$user" --dbname="$3"
"""
)

# Removes a database: USER DATABASE NAME.
DROPDB = (
    LOGIN
    + r"""
exec dropdb --if-exists --force --username="$user" --no-password -- "$3"
"""
)

# On the host: gives a dump to a command's standard input: PATH PROGRAM ARGUMENT….
FEED = r"""
path=$1; shift
exec "$@" < "$path"
"""

# On the host: prints the table of contents of a dump, read by the service's own `pg_restore`: PATH PROJECT
# SERVICE. `docker exec` is three times faster here than `docker compose exec`, which reads all compose files
# first.
LIST_DUMP = r"""
id=$(docker ps -q --filter "label=com.docker.compose.project=$2" \
  --filter "label=com.docker.compose.service=$3" \
  --filter "label=com.docker.compose.oneoff=False" --filter status=running | head -n 1) || exit 1
[ -n "$id" ] || exit 66
exec docker exec -i "$id" pg_restore --list < "$1"
"""


def dump(user: str = "", database: str = "") -> Argv:
    """Return the command, inside the container, that writes a dump to standard output."""
    return script(PG_DUMP, "sluice-pg-dump", user, database)


def psql(user: str = "", database: str = "") -> Argv:
    """Return the command, inside the container, that runs SQL from standard input."""
    return script(PSQL, "sluice-psql", user, database)


def restore(name: str, user: str = "", database: str = "") -> Argv:
    """Return the command, inside the container, that restores standard input into a database of its own."""
    return script(PG_RESTORE, "sluice-pg-restore", user, database, name)


def drop(name: str, user: str = "", database: str = "") -> Argv:
    """Return the command, inside the container, that removes a database."""
    return script(DROPDB, "sluice-dropdb", user, database, name)


def feed(path: str, argv: Argv) -> Argv:
    """Return the command, on the host, that gives a file to a command's standard input."""
    return script(FEED, "sluice-feed", path, *argv)


def list_dump(path: str, project: str, service: str) -> Argv:
    """Return the command, on the host, that prints a dump's table of contents."""
    return script(LIST_DUMP, "sluice-pg-list", path, project, service)


def parse_listing(text: str) -> tuple[int, int]:
    """Count the entries, and the tables among them, in what `pg_restore --list` printed."""
    entries = [line for line in lines(text) if line.strip() and not line.startswith(";")]
    return len(entries), sum(1 for line in entries if _TABLE.match(line))


def pg_options(rules: DatabaseRules) -> dict[str, str]:
    """Return the variables that bound a migration's waiting, for whatever connects by libpq.

    Returns:
        `PGOPTIONS` with lock_timeout and statement_timeout, in milliseconds.
    """
    lock, statement = (round(seconds * 1000) for seconds in (rules.lock_timeout, rules.statement_timeout))
    return {"PGOPTIONS": f"-c lock_timeout={lock} -c statement_timeout={statement}"}
