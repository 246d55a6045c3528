"""Dumps in PostgreSQL's custom format, and SQL run by `psql`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tasks.database.postgresql.login import LOGIN
from tasks.database.postgresql.other_databases import other_databases
from tasks.database.postgresql.questions import COLUMN_FACTS, DATABASE_FACTS, DUMP_FACTS, SCHEMA
from tasks.host.scripts import script
from tasks.kernel.lines import lines

if TYPE_CHECKING:
    from tasks.database.engine.protocols import Login
    from tasks.kernel.argv import Argv

__all__ = [
    "COLUMN_FACTS",
    "DATABASE_FACTS",
    "DUMP_FACTS",
    "SCHEMA",
    "dump",
    "listing",
    "other_databases",
    "query",
    "read_listing",
    "refusal",
]

# A table in a dump's table of contents: `215; 1259 16385 TABLE public orders shop`. Its rows are an entry of their own
# (`TABLE DATA`), without the number of the catalog of tables; those of a `FOREIGN TABLE` are in no dump.
_TABLE = re.compile(r"\d+; 1259 \d+ TABLE ")

# USER DATABASE. Since version 16 a dump can be compressed with zstd, three times faster than the default; a server may
# be built without it, which the client says before it connects anywhere.
_DUMP = (
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

# USER DATABASE.
_QUERY = (
    LOGIN
    + r"""
exec psql --no-psqlrc --quiet --tuples-only --no-align --field-separator="	" \
  --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --no-password --file=-
"""
)


def dump(login: Login) -> Argv:
    """Return the command that writes a dump to standard output."""
    return script(_DUMP, "sluice-pg-dump", *login)


def listing() -> Argv:
    """Return the command that prints the table of contents of a dump on standard input."""
    return ("pg_restore", "--list")


def read_listing(text: str) -> tuple[int, int]:
    """Count the entries, and the tables among them, in what `pg_restore --list` printed."""
    entries = [line for line in lines(text) if line.strip() and not line.startswith(";")]
    return len(entries), sum(1 for line in entries if _TABLE.match(line))


def query(login: Login) -> Argv:
    """Return the command that runs SQL from standard input."""
    return script(_QUERY, "sluice-psql", *login)


def refusal(stderr: str) -> str:
    """Return the line in which PostgreSQL says why; what follows it only points into the statement."""
    return next((line for line in stderr.splitlines() if "ERROR: " in line or "FATAL: " in line), "")
