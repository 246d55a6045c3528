"""PURE: which databases an application may really use, asked when the dumped one holds no table."""

# ruff: noqa: S608 - constant text; names reach it as variables

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.commands.pg import LOGIN
from tasks.commands.scripts import script

if TYPE_CHECKING:
    from tasks.commands.argv import Argv

# A database's name and how many tables it holds; those of an extension are no part of a dump.
_COUNT = r"""select current_database(), count(*)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and n.nspname !~ '^(pg_|information_schema$)'
  and not exists (
    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"""

# Inside the database's container: the other databases of its server, and how many tables each holds: USER DATABASE SQL.
# A name is given as a variable: as an argument `a=b` would be a whole connection.
_NEIGHBOURS = (
    LOGIN
    + r"""
ask() { psql --no-psqlrc --quiet --tuples-only --no-align --field-separator="	" --set=ON_ERROR_STOP=1 \
  --username="$user" --no-password --command="$1" </dev/null; }
list="select quote_ident(datname) = quote_ident(replace(datname, chr(10), '')), datname from pg_database
  where datallowconn and not datistemplate and datname <> current_database()"
all=$(PGDATABASE=$database ask "$list") || { printf 'unknown\tother databases of the server\n'; exit 0; }
[ -n "$all" ] || exit 0
printf '%s\n' "$all" | while IFS="	" read -r plain name; do
  told=
  [ "$plain" != t ] || told=$(PGDATABASE=$name ask "$3" 2>/dev/null)
  if [ -n "$told" ]; then printf 'neighbour\t%s\n' "$told"; else printf 'unknown\tdatabase %s\n' "$name"; fi
done
"""
)

# Inside the database's container: what is behind the address in SLUICE_URL, which no process has as an argument: USER
# DATABASE SQL.
_BEHIND = (
    LOGIN
    + r"""
printf '%s\n' '\set url `printf %s "$SLUICE_URL"`' '\connect :url' "$3;" |
PGCONNECT_TIMEOUT=5 psql --no-psqlrc --quiet --tuples-only --no-align --field-separator="	" \
  --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --no-password --file=-
"""
)

# On the host: PROJECT SERVICE USER DATABASE NEIGHBOURS BEHIND SQL. First the other databases of the same server; then
# each address of a PostgreSQL database among the variables of the application's other containers, a line each: what is
# behind it, or that it could not be asked. The addresses themselves are never printed.
EMPTY_DUMP = r"""
project=$1 service=$2 user=$3 database=$4 neighbours=$5 behind=$6 sql=$7
of='{{index .Config.Labels "com.docker.compose.service"}}'
running() {
  docker ps -q --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.oneoff=False" --filter status=running "$@"
}
look() {
  SLUICE_URL=$1 docker exec --env SLUICE_URL "$db" sh -c "$behind" sluice-behind "$user" "$database" "$sql" \
    2>/dev/null </dev/null
}
db=$(running --filter "label=com.docker.compose.service=$service" | head -n 1) || exit 1
[ -n "$db" ] || exit 66
docker exec "$db" sh -c "$neighbours" sluice-neighbours "$user" "$database" "$sql" || exit 1
others=$(running) || exit 1
for id in $others; do
  name=$(docker container inspect --format "$of" "$id") || exit 1
  [ "$name" != "$service" ] || continue
  printf 'container\t%s\n' "$name"
  docker container inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$id" |
  grep -E '^[A-Za-z0-9_]+=(jdbc:)?(postgres|postgresql|postgis)(\+[a-z0-9_]+)?://' |
  while IFS= read -r line; do
    url=postgresql://${line#*://}
    # What follows a question mark may be another driver's.
    if told=$(look "$url") || told=$(look "${url%%\?*}"); then
      printf 'behind\t%s of %s\t%s\n' "${line%%=*}" "$name" "$told"
    else printf 'unknown\tdatabase behind %s of %s\n' "${line%%=*}" "$name"
    fi
  done
done
exit 0
"""


@dataclass(frozen=True)
class OtherDatabases:
    """What was found beside a database that holds no table.

    Attributes:
        full: Databases that hold tables, each as a person would name it, with the number of its tables.
        empty: Connections of the application that lead to a database without a table.
        unknown: What could not be asked.
        services: The application's other services that run.
    """

    full: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    def why_empty(self, *, first: bool) -> str:
        """Say why a dump without a table is right; empty where that is not known.

        Args:
            first: True where nothing was promoted to the environment yet.
        """
        if self.full or self.unknown:
            return ""
        if self.empty:
            return f"{self.empty[0]} leads to a database without a table too"
        if first and not self.services:
            return "nothing was promoted here yet, and no database of the server holds a table"
        return ""


def other_databases(project: str, service: str, user: str, database: str) -> Argv:
    """Return the command, on the host, that looks where the application's tables may be instead."""
    inner = (_NEIGHBOURS, _BEHIND, _COUNT)
    return script(EMPTY_DUMP, "sluice-empty-dump", project, service, user, database, *inner)


def parse_others(text: str) -> OtherDatabases:
    """Read what `other_databases` printed; a line that says nothing known counts as unknown."""
    full: list[str] = []
    empty: list[str] = []
    unknown: list[str] = []
    services: list[str] = []
    for line in text.splitlines():
        match line.split("\t"):
            case ["neighbour", name, count] if count.isdigit():
                if int(count):
                    full.append(f"database {name} of the same server (tables: {count})")
            case ["behind", where, name, count] if count.isdigit():
                found = full if int(count) else empty
                found.append(
                    f"database {name}, where {where} leads (tables: {count})" if int(count) else where
                )
            case ["container", name]:
                services.append(name)
            case ["unknown", what]:
                unknown.append(what)
            case _ if line.strip():
                unknown.append("an answer that cannot be read")
    return OtherDatabases(tuple(full), tuple(empty), tuple(unknown), tuple(services))
