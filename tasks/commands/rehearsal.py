"""PURE: the constant scripts of a rehearsal on a host, and reading what they print."""

from __future__ import annotations

import json

from tasks.commands.argv import Argv
from tasks.commands.isolation import LABEL, Shape
from tasks.commands.scripts import script

# Prints compose's reading of an application without its values: COMPOSE-COMMAND…. What a service is told
# (environment, command, labels, health check) becomes `null` on the host, so that secrets do not travel; the keys
# stay. It relies on compose writing JSON indented by two.
SHAPE = r"""
config=$("$@") || exit 1
printf '%s\n' "$config" | awk '
function name_of(line) { sub(/": .*/, "", line); sub(/^ *"/, "", line); return line }
function empty(line) {
  head = line; sub(/": .*/, "\": ", head)
  if (line ~ /[[{]$/) { skip = substr(line, 1, match(line, /[^ ]/) - 1); return }
  print head "null" (line ~ /,$/ ? "," : "")
}
BEGIN {
  split("container_name hostname depends_on network_mode networks volumes links healthcheck cap_add", a, " ")
  kept["security_opt"] = 1; kept["deploy"] = 1
  for (i in a) kept[a[i]] = 1
  skip = "-"
}
skip != "-" {
  if ($0 ~ "^" skip "[]}],?$") { print head "null" ($0 ~ /,$/ ? "," : ""); skip = "-" }
  next
}
/^  "/ { section = name_of($0); if (section != "services" && section != "volumes") { empty($0); next } }
/^      "/ && section == "volumes" { key = name_of($0); if (key != "name" && key != "external") { empty($0); next } }
/^      "/ && section == "services" { key = name_of($0); if (!(key in kept)) { empty($0); next } }
/^        "/ && key == "healthcheck" && name_of($0) == "test" { empty($0); next }
/^        "/ && key == "deploy" && name_of($0) != "resources" { empty($0); next }
{ print }'
"""

# Says what is at each path: BUNDLE PATH…. A link counts as what it leads to, so that a data folder which is
# linked into the bundle is outside of it.
KINDS = r"""
bundle=$(cd -P -- "$1" && pwd) || exit 1
shift
for path; do
  if [ -f "$path" ]; then echo file
  elif [ -d "$path" ]; then
    case $(cd -P -- "$path" && pwd)/ in "$bundle"/*) echo inside ;; *) echo outside ;; esac
  elif [ -e "$path" ]; then echo other
  else echo missing
  fi
done
"""

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

# Prints the last thing a container's health check said, and else the end of its log: CONTAINER.
LAST_WORDS = r"""
said=$(docker inspect --format '{{with .State.Health}}{{range .Log}}{{println .Output}}{{end}}{{end}}' "$1" |
  grep -v '^[[:space:]]*$' | tail -n 1)
running=$(docker inspect --format '{{.State.Running}}' "$1")
if [ "$running" = true ] && [ -n "$said" ]; then printf '%s\n' "$said"; else docker logs --tail 100 "$1"; fi
"""

_ADDRESSES = "{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}"


def shape(argv: Argv) -> Argv:
    """Return the command that prints an application's shape, given the one that prints its configuration."""
    return script(SHAPE, "sluice-shape", *argv)


def kinds(bundle: str, paths: tuple[str, ...]) -> Argv:
    """Return the command that says what is at each path, one line each."""
    return script(KINDS, "sluice-kinds", bundle, *paths)


def clear(mark: str, folder: str) -> Argv:
    """Return the command that removes a rehearsal's containers, volumes and files."""
    return script(CLEAR, "sluice-clear", LABEL, mark, folder)


def end(project: str) -> Argv:
    """Return the command that ends a project's containers."""
    return script(END, "sluice-end", project)


def last_words(container: str) -> Argv:
    """Return the command that prints why a container is not well."""
    return script(LAST_WORDS, "sluice-last-words", container)


def address(container: str) -> Argv:
    """Return the command that prints a container's addresses, one a line."""
    return ("docker", "container", "inspect", f"--format={_ADDRESSES}", container)


def parse_shape(text: str) -> Shape:
    """Read what `SHAPE` printed.

    Raises:
        ValueError: It is no JSON.
    """
    found = json.loads(text)
    return Shape(services=found.get("services") or {}, volumes=found.get("volumes") or {})
