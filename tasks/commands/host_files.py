"""PURE: constant scripts about an application's own files on a host."""

from __future__ import annotations

from tasks.commands.argv import Argv
from tasks.commands.scripts import script

# Links what is no part of a release (the env file, data folders) into a bundle: DIRECTORY BUNDLE [PATH TARGET]…;
# targets are relative to DIRECTORY, and a missing data folder is made, so that the engine does not make it as root.
LINK_SHARED = """
directory=$1; bundle=$2; shift 2
while [ "$#" -gt 1 ]; do
  path="$bundle/$1"; target="$directory/$2"; shift 2
  mkdir -p -- "$(dirname -- "$path")" || exit 1
  [ -e "$target" ] || mkdir -p -- "$target" || exit 1
  rm -rf -- "$path" && ln -s -- "$target" "$path" || exit 1
done
"""

# Prints those of the given images that the engine does not have: IMAGE….
MISSING_IMAGES = """
for image; do
  docker image inspect --format= "$image" >/dev/null 2>&1 || printf '%s\\n' "$image"
done
"""

# Keeps the newest dumps of a directory, each with its receipt: DIRECTORY COUNT; prints what it removed. Names sort by
# time within an environment; what is not a finished dump is left alone.
PRUNE_DUMPS = """
cd -- "$1" 2>/dev/null || exit 0
ls -1 -t -- *.dump 2>/dev/null | tail -n "+$(($2 + 1))" | while IFS= read -r name; do
  rm -f -- "$name" "$name.json" && printf '%s\\n' "$name"
done
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
        directory: The application's directory.
        bundle: The release's folder.
        pairs: Path within the bundle, and what it links to within the directory.
    """
    return script(LINK_SHARED, "sluice-share", directory, bundle, *(word for pair in pairs for word in pair))


def prune_dumps(directory: str, keep: int) -> Argv:
    """Return the command that keeps so many of the newest dumps."""
    return script(PRUNE_DUMPS, "sluice-prune-dumps", directory, str(keep))


def prune_images(repositories: tuple[str, ...], digests: tuple[str, ...]) -> Argv:
    """Return the command that removes a pipeline's images but those of the digests to keep."""
    return script(PRUNE_IMAGES, "sluice-prune-images", *repositories, "--", *digests)
