"""PURE: what a copy has to know of the live database, and how that one is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.database.commands.pg import LOGIN, psql
from tasks.host.host_facts import IN_SERVICE
from tasks.host.scripts import script
from tasks.kernel.lines import lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.kernel.argv import Argv

# Inside the live database's container: user, database and settings, one `key=value` a line: USER DATABASE SQL.
_LIVE_FACTS = (
    LOGIN
    + r"""
printf 'user=%s\ndatabase=%s\n' "$user" "$database"
given POSTGRES_USER; printf 'superuser=%s\n' "${value:-postgres}"
exec psql --no-psqlrc --quiet --tuples-only --no-align --no-password --username="$user" --dbname="$database" \
  --command="$3"
"""
)
_LIVE_SQL = """
select 'bytes=' || pg_database_size(current_database())
union all
select 'setting=' || name || '=' || setting from pg_settings where name in ('shared_preload_libraries',
  'max_connections', 'max_locks_per_transaction', 'max_prepared_transactions', 'cron.database_name', 'wal_level')
"""

# On the host: the live database, its container, its image and what it is called by: PROJECT SERVICE USER DATABASE
# INNER SQL. The exit status 66 says that no container of the service runs.
LIVE_DATABASE = r"""
id=$(docker ps -q --filter "label=com.docker.compose.project=$1" --filter "label=com.docker.compose.service=$2" \
  --filter "label=com.docker.compose.oneoff=False" --filter status=running | head -n 1) || exit 1
[ -n "$id" ] || exit 66
docker container inspect --format 'container={{.Id}}
image={{.Image}}
reference={{.Config.Image}}
alias={{slice .Name 1}}{{range .NetworkSettings.Networks}}{{range .Aliases}}
alias={{.}}{{end}}{{end}}' "$id" || exit 1
image=$(docker container inspect --format '{{.Image}}' "$id") || exit 1
docker image inspect --format '{{range .RepoDigests}}digest={{println .}}{{end}}' "$image"
exec docker exec "$id" sh -c "$5" sluice-live "$3" "$4" "$6"
"""

# Inside the live database's container: the roles, without passwords where those may not be read: USER DATABASE
# OPTION.
ROLES = (
    LOGIN
    + r"""
roles() { pg_dumpall --roles-only --no-password --username="$user" --database="$database" "$@"; }
if [ -z "$3" ]; then roles 2>/dev/null && exit 0; fi
roles --no-role-passwords
"""
)


@dataclass(frozen=True)
class LiveDatabase:
    """The live database, as far as a copy has to be like it.

    Attributes:
        container: The id of its container.
        image: The id of the image it runs.
        reference: What the image is called in the compose files.
        digests: The image's repository digests, by which another host can pull it.
        aliases: The names it is reached by.
        user: The user it is dumped by.
        database: The database that is dumped.
        superuser: The user its image was started with.
        bytes: The database's size.
        settings: The settings a copy shares with it.
    """

    container: str
    image: str
    reference: str
    digests: tuple[str, ...]
    aliases: tuple[str, ...]
    user: str
    database: str
    superuser: str
    bytes: int
    settings: Mapping[str, str]


def live_database(project: str, service: str, user: str, database: str) -> Argv:
    """Return the command, on the host, that describes the live database."""
    return script(
        LIVE_DATABASE, "sluice-live-database", project, service, user, database, _LIVE_FACTS, _LIVE_SQL
    )


def parse_live(text: str) -> LiveDatabase:
    """Read what `live_database` printed.

    Raises:
        ValueError: Something is missing.
    """
    pairs = [(key, value) for key, mark, value in (line.partition("=") for line in lines(text)) if mark]
    single = dict(pairs)
    settings = (value.partition("=") for key, value in pairs if key == "setting")
    try:
        container = single["container"]
        return LiveDatabase(
            container=container,
            image=single["image"],
            reference=single["reference"],
            digests=tuple(value for key, value in pairs if key == "digest"),
            aliases=tuple(
                sorted({v for k, v in pairs if k == "alias" and v and not container.startswith(v)})
            ),
            user=single["user"],
            database=single["database"],
            superuser=single["superuser"],
            bytes=int(single["bytes"]),
            settings={key: value for key, _, value in settings},
        )
    except KeyError as missing:
        raise ValueError(f"{missing} was not reported") from None


def query_live(project: str, service: str, user: str, database: str) -> Argv:
    """Return the command, on the host, that runs SQL from standard input in the live database."""
    return script(IN_SERVICE, "sluice-query", project, service, *psql(user, database))


def read_roles(live: LiveDatabase) -> Argv:
    """Return the command, on the live database's host, that prints its roles, their passwords left out."""
    words = ("docker", "exec", live.container, "sh", "-c", ROLES, "sluice-roles")
    return (*words, live.user, live.database, "--no-role-passwords")


def parse_rows(text: str) -> list[list[str]]:
    """Read what `psql` printed: a row a line, fields separated by tabs."""
    return [line.split("\t") for line in text.split("\n") if line]
