"""PURE: which databases an application may really use, asked when the dumped one holds no table."""

# ruff: noqa: S608 - constant text; names reach it as variables

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.database.commands.pg import LOGIN
from tasks.host.scripts import script
from tasks.kernel.lines import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.kernel.argv import Argv

# A database's name, how many tables it holds, and since when its server runs, by which it is known again behind any
# address: a number, since a text would be in the time zone of who asks. Tables of an extension are no part of a dump,
# and the rows of a foreign table are elsewhere.
_COUNT = r"""select current_database(), count(*),
  floor(extract(epoch from pg_postmaster_start_time()) * 1000)::bigint
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname !~ '^(pg_|information_schema$)'
  and not exists (
    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"""

# Inside the database's container: the dumped database, the others of its server, and how many tables each holds: USER
# DATABASE SQL. A name is given as a variable: as an argument `a=b` would be a whole connection.
_NEIGHBOURS = (
    LOGIN
    + r"""
ask() { psql --no-psqlrc --quiet --tuples-only --no-align --field-separator="	" --set=ON_ERROR_STOP=1 \
  --username="$user" --no-password --command="$1" </dev/null; }
list="select quote_ident(datname) = quote_ident(replace(datname, chr(10), '')), datname from pg_database
  where datallowconn and not datistemplate and datname <> current_database()"
all=$(PGDATABASE=$database ask "$list") || { printf 'unknown\tother databases of the server\n'; exit 0; }
told=$(PGDATABASE=$database ask "$3") && printf 'dumped\t%s\n' "$told"
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
case $SLUICE_URL in host=*) SLUICE_URL="$SLUICE_URL user=$user dbname=$database" ;; esac
printf '%s\n' '\set url `printf %s "$SLUICE_URL"`' '\connect :url' "$3;" |
PGCONNECT_TIMEOUT=5 psql --no-psqlrc --quiet --tuples-only --no-align --field-separator="	" \
  --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --no-password --file=-
"""
)

# On the host: PROJECT SERVICE USER DATABASE NEIGHBOURS BEHIND SQL ENV_FILE…. First the databases of the same server;
# then each connection to a PostgreSQL database among the variables of the application's other containers and in its
# env files, a line each: what is behind it, that it leads to this very server, that it leads elsewhere, or that it
# could not be asked; and which variables name a database of this server. The addresses themselves are never printed. A
# container that ended, or starts again and again, has its variables too, and the files that they name.
EMPTY_DUMP = r"""
project=$1 service=$2 user=$3 database=$4 neighbours=$5 behind=$6 sql=$7
shift 7
of='{{index .Config.Labels "com.docker.compose.service"}}'
containers() {
  docker ps -q --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.oneoff=False" "$@"
}
look() {
  SLUICE_URL=$1 docker exec --env SLUICE_URL "$db" sh -c "$behind" sluice-behind "$user" "$database" "$sql" \
    2>/dev/null </dev/null
}
elsewhere() {
  told=$(look "host=$2") && [ "${told##*	}" = "$since" ] && { printf 'server\t%s\t%s\n' "$1" "$3"; return; }
  printf 'elsewhere\t%s\t%s\n' "$1" "$3"
}
connections() {
  while IFS= read -r line; do
    key=${line%%=*} value=${line#*=}
    key=${key#export }
    case $key in '' | *[!A-Za-z0-9_.:-]*) continue ;; esac
    case $value in \"*\" | \'*\') value=${value#?} value=${value%?} ;; esac
    case $key in *_FILE)
      [ -n "$2" ] && held=$(docker cp "$2:$value" - 2>/dev/null </dev/null | tar -xOf - 2>/dev/null | head -c 4096) &&
        [ -n "$held" ] && value=$held
    esac
    case $key in *[Dd][Bb] | *[Dd][Bb]*[Nn][Aa][Mm][Ee]* | *[Dd][Aa][Tt][Aa][Bb][Aa][Ss][Ee]*)
      case $newline$names$newline in
      *"$newline$value$newline"*) printf 'named\t%s\t%s\t%s\n' "$key" "$1" "$value" ;;
      esac
    esac
    case $value in
    postgres://* | postgresql://* | postgis://* | postgres+*://* | postgresql+*://* | postgis+*://* | jdbc:postgres*://*)
      url=postgresql://${value#*://}
      host=${value#*://} host=${host%%[/?]*} host=${host##*@}
      # What follows a question mark may be another driver's.
      if told=$(look "$url") || told=$(look "${url%%\?*}"); then
        printf 'behind\t%s\t%s\t%s\n' "$key" "$1" "$told"
      elif [ "${host%%:*}" = "$service" ]; then printf 'server\t%s\t%s\n' "$key" "$1"
      else printf 'unknown\tdatabase behind %s of %s\nelsewhere\t%s\t%s\n' "$key" "$1" "$key" "$1"
      fi
      ;;
    "$service" | "$service":*)
      case $key in *[Hh][Oo][Ss][Tt]* | *[Aa][Dd][Dd][Rr]* | *[Ss][Ee][Rr][Vv][Ee][Rr]*)
        printf 'server\t%s\t%s\n' "$key" "$1" ;;
      esac
      ;;
    *[Hh]ost="$service" | *[Hh]ost="$service"[\;\ ]* | *[Ss]erver="$service"[\;\ ]*)
      printf 'server\t%s\t%s\n' "$key" "$1"
      ;;
    '' | /* | localhost | 127.* | *[!A-Za-z0-9_.:-]*) ;;
    *)
      case $key in
      *[Dd][Bb]*[Hh][Oo][Ss][Tt]* | PGHOST* | *SQL_HOST* | POSTGRES_HOST* | POSTGRES_SERVER* | *DATABASE_HOST*)
        elsewhere "$key" "$value" "$1" ;;
      esac
      ;;
    esac
  done
}
db=$(containers --filter status=running --filter "label=com.docker.compose.service=$service" | head -n 1) || exit 1
[ -n "$db" ] || exit 66
near=$(docker exec "$db" sh -c "$neighbours" sluice-neighbours "$user" "$database" "$sql") || exit 1
printf '%s\n' "$near"
newline='
'
names=$(printf '%s\n' "$near" | sed -n 's/^\(dumped\|neighbour\)	\([^	]*\)	.*/\2/p')
since=$(printf '%s\n' "$near" | sed -n 's/^dumped	.*	//p')
others=$(containers --all) || exit 1
for id in $others; do
  name=$(docker container inspect --format "$of" "$id") || exit 1
  [ "$name" != "$service" ] || continue
  state=$(docker container inspect --format '{{.State.Status}}' "$id") || exit 1
  [ "$state" != running ] || printf 'container\t%s\n' "$name"
  docker container inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$id" | connections "$name" "$id"
done
for file; do
  [ -f "$file" ] || continue
  # As for compose, the first that is there counts.
  connections "" "" <"$file"
  break
done
exit 0
"""


@dataclass(frozen=True)
class Connection:
    """Where a variable of the application leads.

    Attributes:
        key: The variable.
        service: The service that has it; empty for one of an env file.
        what: The database behind it, as a person would name it; empty where only its server is known.
    """

    key: str
    service: str
    what: str = ""

    def __str__(self) -> str:
        """Return what a person calls it."""
        return f"{self.key} of {self.service or 'the env file'}"


@dataclass(frozen=True)
class OtherDatabases:
    """What was found beside a database that holds no table.

    Attributes:
        neighbours: Databases of its server that hold tables, each as a person would name it.
        full: Connections of the application that lead to another database with tables.
        own: Those that lead to the dumped database itself.
        empty: Those that lead to another database without a table.
        server: Those that lead to its server, where it is not known to which of its databases.
        named: Variables that name one of the server's databases, with what they name.
        elsewhere: Connections that lead to another server, which could not be asked.
        unknown: What could not be asked.
        services: The application's other services that run.
    """

    neighbours: tuple[str, ...] = ()
    full: tuple[Connection, ...] = ()
    own: tuple[Connection, ...] = ()
    empty: tuple[Connection, ...] = ()
    server: tuple[Connection, ...] = ()
    named: tuple[Connection, ...] = ()
    elsewhere: tuple[Connection, ...] = ()
    unknown: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    def against(self, migrating: str, *, agreed: bool) -> str:
        """Name the database that is the application's instead, empty where none is known to be.

        Another database with tables says nothing where the service that migrates leads to the dumped one, or where a
        person named that one: an application may well have several.

        Args:
            migrating: The service that migrates; empty for none.
            agreed: True where the pipeline names the database and says that it may be empty.
        """
        own = self._of(self.own, migrating)
        if own and (agreed or not any(one.service == migrating for one in self.full)):
            return ""
        for one in self.full:
            if one.service == migrating or not agreed:
                return f"database {one.what}, where {one} leads,"
        return self.neighbours[0] if self.neighbours and not agreed else ""

    def why_empty(self, *, first: bool, migrating: str = "") -> str:
        """Say why a dump without a table is right; empty where that is not known.

        Args:
            first: True where nothing was promoted to the environment yet.
            migrating: The service that migrates; empty for none.
        """
        if self.against(migrating, agreed=False):
            return ""
        own, empty, server = (self._of(found, migrating) for found in (self.own, self.empty, self.server))
        if own:
            return f"{own[0]} leads to it"
        if self.unknown:
            return ""
        for found, where in (
            (empty, "a database without a table too"),
            (server, "its server, where no database has a table"),
        ):
            if found:
                return f"{found[0]} leads to {where}"
        if first and not self.services and not self.elsewhere:
            return "nothing has been promoted here yet, and no database of the server has a table"
        return ""

    def instead(self, migrating: str, *, unversioned: bool = False) -> str:
        """Say what shows that the service that migrates uses another database than a dumped one with tables.

        Args:
            unversioned: True where the release that runs has migrations of which the dumped database knows nothing.

        Returns:
            A clause; empty where it is the dumped one, or nothing shows.
        """
        every = (*self.full, *self.own, *self.empty, *self.server, *self.elsewhere)
        who = migrating if any(one.service == migrating for one in every) or self.services else ""
        own, others, server, named, away = (
            [one for one in found if one.service == who]
            for found in (self.own, (*self.full, *self.empty), self.server, self.named, self.elsewhere)
        )
        if own or (not others and server and any(not one.what for one in named)):
            return ""
        if others:
            return f"{others[0]} leads to database {others[0].what}"
        if server and named:
            return f"{named[0]} names {named[0].what}"
        if away and not server:
            return f"{away[0]} leads to another server"
        lacks = unversioned and self.neighbours
        return (
            f"of the running release's migrations it knows none, while {self.neighbours[0]} may"
            if lacks
            else ""
        )

    def _of(self, found: tuple[Connection, ...], migrating: str) -> tuple[Connection, ...]:
        """Return the connections that say which database the application uses: a tool's beside it may be any."""
        known = {one.service for one in (*self.full, *self.own, *self.empty, *self.server)} | {*self.services}
        return tuple(
            one for one in found if one.service and (migrating not in known or one.service == migrating)
        )


def other_databases(project: str, service: str, user: str, database: str, env_files: Sequence[str]) -> Argv:
    """Return the command, on the host, that looks where the application's tables may be instead."""
    inner = (_NEIGHBOURS, _BEHIND, _COUNT)
    return script(EMPTY_DUMP, "sluice-empty-dump", project, service, user, database, *inner, *env_files)


def parse_others(text: str) -> OtherDatabases:
    """Read what `other_databases` printed; a line that says nothing known counts as unknown."""
    neighbours: list[str] = []
    found: dict[str, list[Connection]] = {"full": [], "own": [], "empty": [], "server": [], "elsewhere": []}
    unknown: list[str] = []
    services: list[str] = []
    dumped, held = None, 0
    counts: dict[str, int] = {}
    names: list[tuple[str, str, str]] = []
    for line in lines(text):
        match line.split("\t"):
            case ["dumped", name, count, since] if count.isdecimal():
                dumped, held = (name, since), int(count)
            case ["neighbour", name, count, _] if count.isdecimal():
                counts[name] = int(count)
                if int(count):
                    neighbours.append(f"database {name} of the same server (tables: {count})")
            case ["behind", key, service, name, count, since] if count.isdecimal():
                own = (name, since) == dumped and (held or not int(count))
                kind = "own" if own else "full" if int(count) else "empty"
                found[kind].append(Connection(key, service, f"{name} (tables: {count})"))
            case ["server" | "elsewhere" as kind, key, service]:
                found[kind].append(Connection(key, service))
            case ["named", key, service, name]:
                names.append((key, service, name))
            case ["container", name]:
                services.append(name)
            case ["unknown", what]:
                unknown.append(what)
            case _ if line.strip():
                unknown.append("an answer that cannot be read")
    return OtherDatabases(
        neighbours=tuple(neighbours),
        # Of one without a table it may be the user's name, or what is yet to come.
        named=tuple(
            Connection(key, service, f"database {name} (tables: {counts[name]})" if name in counts else "")
            for key, service, name in names
            if counts.get(name, 1)
        ),
        unknown=tuple(unknown),
        services=tuple(services),
        **{kind: tuple(connections) for kind, connections in found.items()},
    )
