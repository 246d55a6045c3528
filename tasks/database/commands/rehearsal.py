"""PURE: the constant scripts that end a rehearsal on a host and say what went wrong there."""

from __future__ import annotations

from tasks.database.commands.isolation import LABEL
from tasks.host.scripts import script
from tasks.kernel.argv import Argv

# Removes what a rehearsal left: LABEL MARK FOLDER; and what killed ones of other names left days ago.
CLEAR = r"""
old=$(docker ps --all --filter "label=$1" --format '{{.ID}} {{.RunningFor}}' |
  awk '/ (day|week|month|year)s? / {print $1}')
own=$(docker ps --all --quiet --filter "label=$1=$2") || exit 1
[ -z "$own$old" ] || docker rm --force --volumes $own $old >/dev/null || exit 1
volumes=$(docker volume ls --quiet --filter "label=$1=$2")
[ -z "$volumes" ] || docker volume rm --force $volumes >/dev/null || exit 1
rm -rf -- "$3" || exit 1
find "$(dirname -- "$3")" -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf -- {} + 2>/dev/null
exit 0
"""

# Ends the containers of one of a rehearsal's projects: PROJECT.
END = r"""
ids=$(docker ps --all --quiet --filter "label=com.docker.compose.project=$1") || exit 1
[ -z "$ids" ] || docker rm --force --volumes $ids >/dev/null
"""

# Prints what a running container's health check said lately, and else the end of its log: CONTAINER.
LAST_WORDS = r"""
running=$(docker inspect --format '{{.State.Running}}' "$1")
said=$(docker inspect --format '{{with .State.Health}}{{range .Log}}{{println .Output}}{{end}}{{end}}' "$1")
if [ "$running" = true ] && [ -n "$said" ]; then printf '%s\n' "$said" | grep -v '^[[:space:]]*$'
else docker logs --tail 100 "$1"
fi
"""

# Prints the keys of all labels of images, JSON, one a line: COMPOSE-COMMAND…, which prints the images. One that is not
# there has none: it cannot be started either.
LABELS = r"""
images=$("$@") || exit 1
set -f
keys='{{range $key, $_ := .Config.Labels}}{{println (json $key)}}{{end}}'
docker image inspect --format "$keys" -- $images 2>/dev/null
exit 0
"""

_ADDRESSES = "{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}"


def clear(mark: str, folder: str) -> Argv:
    """Return the command that removes a rehearsal's containers, volumes and files."""
    return script(CLEAR, "sluice-clear", LABEL, mark, folder)


def end(project: str) -> Argv:
    """Return the command that ends a project's containers."""
    return script(END, "sluice-end", project)


def last_words(container: str) -> Argv:
    """Return the command that prints why a container is not well."""
    return script(LAST_WORDS, "sluice-last-words", container)


def labels(images: Argv) -> Argv:
    """Return the command that prints the labels of images, given the one that prints the images."""
    return script(LABELS, "sluice-labels", *images)


def address(container: str) -> Argv:
    """Return the command that prints a container's addresses, one a line."""
    return ("docker", "container", "inspect", f"--format={_ADDRESSES}", container)
