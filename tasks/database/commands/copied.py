"""PURE: what a copy has to know of the live database, and how that is found out on its host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.host.scripts import script
from tasks.kernel.lines import lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.kernel.argv import Argv

# On the host: the live database, its container, its image and what it is called by: PROJECT SERVICE PROGRAM
# ARGUMENT…, which describes it from within its container. The exit status 66 says that no container of the service
# runs.
_LIVE_DATABASE = r"""
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
shift 2
exec docker exec "$id" "$@"
"""


@dataclass(frozen=True)
class LiveDatabase:
    """The live database, as far as a copy has to be like it.

    Attributes:
        reference: What the image is called in the compose files.
        aliases: The names it is reached by.
        superuser: The user its image was started with.
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


def live_database(project: str, service: str, describe: Argv) -> Argv:
    """Return the command, on the host, that describes the live database, given the one that does it inside."""
    return script(_LIVE_DATABASE, "sluice-live-database", project, service, *describe)


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


def parse_rows(text: str) -> list[list[str]]:
    """Read what an engine's `query` printed: a row a line, fields separated by tabs."""
    return [line.split("\t") for line in text.split("\n") if line]
