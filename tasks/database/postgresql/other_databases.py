"""Which databases an application may really use, asked when the dumped one holds no table, or none of its own."""

# ruff: noqa: S608 - constant text; names reach it as variables

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.database.postgresql.login import LOGIN
from tasks.host.scripts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.database.engine.protocols import Login
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
_LOOK = r"""
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


def other_databases(project: str, service: str, login: Login, env_files: Sequence[str]) -> Argv:
    """Return the command, on the host, that looks where the application's tables may be instead."""
    inner = (_NEIGHBOURS, _BEHIND, _COUNT)
    return script(_LOOK, "sluice-empty-dump", project, service, *login, *inner, *env_files)
