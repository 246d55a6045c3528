"""PURE: constant scripts about an application's own files on a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from tasks.host.references import is_reference, local_name
from tasks.host.retention import StoredDump
from tasks.host.scripts import script
from tasks.kernel.argv import Argv
from tasks.kernel.lines import lines

_DUMP_WORDS = 4

# Links what is no part of a release (the env file, data folders) into a bundle: DIRECTORY BUNDLE [PATH TARGET]…;
# targets are relative to DIRECTORY, and a missing data folder is made, so that the engine does not make it as root.
LINK_SHARED = """
directory=$1; bundle=$2; shift 2
while [ "$#" -gt 1 ]; do
  path="$bundle/$1"; target="$directory/$2"; folder=$bundle; rest=$1; shift 2
  # Behind a link is what is not the release's: only a data folder within one that was linked just now may be there.
  while case $rest in */*) ;; *) false ;; esac; do
    folder=$folder/${rest%%/*}; rest=${rest#*/}
    [ -L "$folder" ] || continue
    case $(readlink -- "$folder")/$rest in "$target") mkdir -p -- "$target" && continue 2 || exit 1 ;; esac
    echo "$folder is a link, so nothing is put behind it; name what it leads to in the compose files" >&2; exit 1
  done
  mkdir -p -- "$(dirname -- "$path")" || exit 1
  [ -e "$target" ] || mkdir -p -- "$target" || exit 1
  [ -L "$path" ] && [ "$(readlink -- "$path")" = "$target" ] && continue
  rm -rf -- "$path" && ln -s -- "$target" "$path" || exit 1
done
"""

# Prints those of the given images that the engine does not have: IMAGE….
MISSING_IMAGES = """
for image; do
  docker image inspect --format= -- "$image" >/dev/null 2>&1 || printf '%s\\n' "$image"
done
"""

# Runs a pull for what the engine does not have, and nothing where it has all: IMAGES NAME=SERVICE… PROGRAM ARGUMENT…;
# the first two are one word each, and a NAME is how the engine lists an image, `-` where it cannot be asked about one.
# The services that lack theirs are added to the command. Asking costs one program, whatever the number.
PULL_MISSING = """
set -f
if said=$(docker image inspect \\
  --format '{{range .RepoDigests}} {{.}} {{end}}{{range .RepoTags}} {{.}} {{end}}' $1 2>/dev/null)
then there=yes; else there=; fi
lacking=
for pair in $2; do
  case ${pair%%=*} in
    -) ;;
    *) [ -n "$there" ] && continue; case $said in *" ${pair%%=*} "*) continue ;; esac ;;
  esac
  lacking="$lacking ${pair#*=}"
done
shift 2
[ -n "$lacking" ] || exit 0
exec "$@" $lacking
"""

# Lists the dumps of a directory, one a line: bytes, seconds since 1970, yes where the receipt is there too, name:
# DIRECTORY.
LIST_DUMPS = """
cd -- "$1" 2>/dev/null || exit 0
for name in *.dump; do
  [ -f "$name" ] && ! [ -L "$name" ] || continue
  receipt=no; [ -f "$name.json" ] && receipt=yes
  said=$(stat -c '%s %Y' -- "./$name") && printf '%s %s %s\\n' "$said" "$receipt" "$name"
done
"""

# Removes dumps of a directory with their receipts, the receipt first, since it says that there is a dump: DIRECTORY
# [NAME]…; prints what it removed. What killed runs left half-written goes after a day.
REMOVE_DUMPS = """
cd -- "$1" 2>/dev/null || exit 0
shift
for name in "$@"; do
  rm -f -- "./$name.json" && rm -f -- "./$name" && printf '%s\\n' "$name"
done
find . -mindepth 1 -maxdepth 1 -type f -name '*.part' -mtime +0 -exec rm -f -- {} +
"""

# Prints `sha256 bytes` of a dump, and nothing where there is none: PATH.
MEASURE_DUMP = """
[ -f "$1" ] || exit 0
sum=$(sha256sum < "$1") && printf '%s %s\\n' "${sum%% *}" "$(($(wc -c < "$1")))"
"""

# Removes images of a repository that no kept release needs: REPOSITORY… -- DIGEST…. The engine itself refuses one that
# a container uses, which is what is wanted.
PRUNE_IMAGES = """
repositories=
while [ "$#" -gt 0 ] && [ "$1" != "--" ]; do repositories="$repositories $1"; shift; done
shift
for repository in $repositories; do
  docker image ls --digests --no-trunc --format '{{.Repository}}@{{.Digest}}' "$repository" |
  while IFS= read -r image; do
    for digest in "$@"; do [ "${image##*@}" = "$digest" ] && continue 2; done
    docker image rm -- "$image" >/dev/null 2>&1 && printf '%s\\n' "$image"
  done
done
exit 0
"""


def link_shared(directory: str, bundle: str, pairs: tuple[tuple[str, str], ...]) -> Argv:
    """Return the command that links shared files into a bundle.

    Args:
        pairs: Path within the bundle, and what it links to within the directory.
    """
    return script(LINK_SHARED, "sluice-share", directory, bundle, *(word for pair in pairs for word in pair))


def pull_missing(images: Mapping[str, str], argv: Argv) -> Argv:
    """Return the command that pulls the images a host does not have, without asking any registry for the others.

    Args:
        images: Service → image. Of several services with one image, the first stands for all.
    """
    first = {image: service for service, image in sorted(images.items(), reverse=True)}
    asked = {image: local_name(image) if is_reference(image) else "-" for image in first}
    pairs = " ".join(f"{asked[image]}={service}" for image, service in sorted(first.items()))
    known = " ".join(sorted(image for image, name in asked.items() if name != "-"))
    return script(PULL_MISSING, "sluice-pull", known, pairs, *argv)


def missing_images(images: Iterable[str]) -> Argv:
    """Return the command that prints those of some images that the engine does not have, one a line."""
    return script(MISSING_IMAGES, "sluice-images", *sorted(set(images)))


def list_dumps(directory: str) -> Argv:
    """Return the command that lists the dumps of a directory."""
    return script(LIST_DUMPS, "sluice-list-dumps", directory)


def parse_dumps(text: str) -> tuple[StoredDump, ...]:
    """Read what `list_dumps` printed."""
    found: list[StoredDump] = []
    for line in lines(text):
        words = line.split(" ", 3)
        if len(words) == _DUMP_WORDS and words[0].isdigit() and words[1].isdigit():
            stored_at = datetime.fromtimestamp(int(words[1]), UTC)
            found.append(StoredDump(words[3], int(words[0]), stored_at, words[2] == "yes"))
    return tuple(found)


def remove_dumps(directory: str, names: tuple[str, ...]) -> Argv:
    """Return the command that removes dumps with their receipts; it prints the removed."""
    return script(REMOVE_DUMPS, "sluice-remove-dumps", directory, *names)


def measure_dump(path: str) -> Argv:
    """Return the command that prints `sha256 bytes` of a dump, nothing where there is none."""
    return script(MEASURE_DUMP, "sluice-measure-dump", path)


def prune_images(repositories: tuple[str, ...], digests: tuple[str, ...]) -> Argv:
    """Return the command that removes a pipeline's images but those of the digests to keep."""
    return script(PRUNE_IMAGES, "sluice-prune-images", *repositories, "--", *digests)


def parse_files(text: str) -> dict[str, str]:
    """Read what `bundle_files` printed.

    Returns:
        Path relative to the bundle → sha256, hex.
    """
    return dict(_file(line) for line in lines(text) if "  " in line)


def _file(line: str) -> tuple[str, str]:
    checksum, _, path = line.partition("  ")
    # A line that begins with a backslash has its backslashes and newlines escaped.
    if checksum.startswith("\\"):
        checksum = checksum[1:]
        path = path.replace("\\\\", "\0").replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")
    return path.removeprefix("./"), checksum
