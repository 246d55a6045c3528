"""PURE: the commands that copy what an application wrote from one release's folder into the next one's."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.host.scripts import link, script

if TYPE_CHECKING:
    from tasks.kernel.argv import Argv

# Runs `sh` as root over an application's folders, with the host's own programs: PROJECT DIRECTORY LEFT ARGUMENT…. Of
# the application's directory only `releases` can be written to, and of that not the folder LEFT (empty: all of it can).
# The login is in group docker, so the engine may do what the login may not: read and give away files of others. The
# image is only what a container cannot be without: nothing in it is run, so it needs no shell, and any will do. One
# that a killed run left is ended first: it would go on copying.
AS_ROOT = r"""
project=$1 directory=$2 left=$3; shift 3
docker rm -f "sluice-data-$project" >/dev/null 2>&1
some=$(docker ps -aq --filter "label=com.docker.compose.project=$project" | head -n 1) || exit 1
if [ -n "$some" ]; then image=$(docker inspect --format '{{.Image}}' "$some") || exit 1
else image=$(docker image ls -q --no-trunc | head -n 1); fi
[ -n "$image" ] || { echo "the engine has no image to make a container of" >&2; exit 1; }
tools=
for place in /bin /sbin /lib /lib32 /lib64 /libx32 /usr /etc/ld.so.cache; do
  [ -e "$place" ] && tools="$tools --mount=type=bind,src=$place,dst=$place,readonly"
done
exec docker run --rm --interactive --pull=never --network=none --user=0:0 --workdir=/ --no-healthcheck \
  --log-driver=none --security-opt=label=disable --name="sluice-data-$project" --entrypoint=/bin/sh \
  --env=LD_PRELOAD= --env=LD_LIBRARY_PATH= --env=ENV= --env=PATH=/usr/sbin:/usr/bin:/sbin:/bin $tools \
  --mount="type=bind,src=$directory,dst=$directory,readonly" \
  --mount="type=bind,src=$directory/releases,dst=$directory/releases" \
  ${left:+--mount="type=bind,src=$left,dst=$left,readonly"} "$image" "$@"
"""

# Copies files from one folder into another with owners, modes, times and links: FROM TO ASIDE; by standard input what
# to do, one a line: `- PATH` removes, `~ PATH` moves to ASIDE, `> FOLDER` names the folder that the next `+ NAME` are
# in, `= FOLDER` gives a folder the owner, mode, access list and times it has in FROM. Running it twice ends the same.
COPY = r"""
from=$1 to=$2 aside=$3
shift 3
umask 077
fail() { echo "$1" >&2; exit 1; }
there() { [ -e "$1" ] || [ -L "$1" ]; }
alike() {
  [ -d "$from/$1" ] && [ -d "$to/$1" ] && ! [ -L "$to/$1" ] || return 0
  set -- "$1" $(stat -c '%u:%g %a' -- "$from/$1")
  case $(ls -ld -- "$from/$1") in
    ??????????+*)
      tar -C "$from" --no-recursion --acls -cf - -- "$1" | tar -C "$to" --acls -xpf - ||
        echo "the access list of $1 is not copied" >&2 ;;
  esac
  chown -- "$2" "$to/$1" && chmod -- "$3" "$to/$1" && touch -r "$from/$1" -- "$to/$1"
}
folder() {
  [ -d "$to/$1" ] && ! [ -L "$to/$1" ] && return 0
  case $1 in */*) folder "${1%/*}" || return 1 ;; esac
  rm -rf -- "$to/$1"
  mkdir -- "$to/$1" && alike "$1"
}
here=.
while IFS= read -r line; do
  path=${line#? }
  case $line in
    '+ '*)
      set -- "$@" "$from/$here/$path"
      there "$to/$here/$path" && { rm -rf -- "$to/$here/$path" || fail "$path cannot be replaced"; }
      [ "$#" -lt 200 ] && continue ;;
  esac
  if [ "$#" -gt 0 ]; then cp -a -- "$@" "$to/$here/" || fail "a copy failed"; set --; fi
  case $line in
    '- '*) rm -rf -- "$to/$path" || fail "$path cannot be removed" ;;
    '~ '*)
      if there "$to/$path"; then
        mkdir -p -- "$aside/$(dirname -- "$path")" && rm -rf -- "$aside/$path" &&
          mv -- "$to/$path" "$aside/$path" || fail "$path cannot be moved aside"
      fi ;;
    '> '*) here=$path; folder "$here" || fail "$here cannot be made" ;;
    '= '*) alike "$path" || fail "$path cannot be given away" ;;
    '.') sync; exit 0 ;;
  esac
done
fail "the list is incomplete"
"""

# Moves the files of a folder to the place of those of their names in another, and removes the first and what is named
# after them: FROM FOLDER PATH…. Folders that are there stay as they are, also whose they are.
PUT_OVER = r"""
umask 022
cd -- "$1" || exit 1
find . ! -type d -exec sh -c '
  to=$1; shift
  for one; do mkdir -p -- "$to/${one%/*}" && mv -f -T -- "$one" "$to/$one" || exit 1; done
' sh "$2" {} + || exit 1
cd / || exit 1
from=$1; shift 2
rm -f -- "$@" && rm -rf -- "$from"
"""

# Says whether a folder is there, and whether all in it is the login's: FOLDER.
OWNED = r"""
[ -e "$1" ] || [ -L "$1" ] || { echo none; exit 0; }
[ -z "$(find "$1" ! -user "$(id -u)" 2>/dev/null | head -n 1)" ] && echo own || echo others
"""

# Removes folders, whoever owns what is in them: FOLDER….
REMOVE = 'rm -rf -- "$@"'

# Says by its status whether a release's data was carried on and nobody wrote into its folder since: DIRECTORY RELEASE.
IS_SETTLED = r"""
[ -e "$1/settled/$2" ] && [ -z "$(find "$1/releases/$2" -cnewer "$1/settled/$2" 2>/dev/null | head -n 1)" ]
"""

# Says that what was just put into a release's folder is none of the application's: DIRECTORY RELEASE.
KEEP_SETTLED = '[ ! -e "$1/settled/$2" ] || touch -- "$1/settled/$2"'

# Lists the folders of `releases` that are neither named nor current, and whose data is not known to be carried on, or
# was written to since: DIRECTORY NAME….
UNSETTLED = r"""
cd -- "$1/releases" 2>/dev/null || exit 0
shift
current=$(readlink ../current 2>/dev/null); current=${current##*/}
for folder in *; do
  [ -d "$folder" ] && ! [ -L "$folder" ] || continue
  [ "$folder" = "$current" ] && continue
  for name in "$@"; do [ "$folder" = "$name" ] && continue 2; done
  [ -e "../settled/$folder" ] &&
    [ -z "$(find "$folder" -cnewer "../settled/$folder" 2>/dev/null | head -n 1)" ] || printf '%s\n' "$folder"
done
"""

# Says which paths lead into the folder of a release, by their numbers, one a line: DIRECTORY PATH…. What cannot be
# followed counts as one that does.
INSIDE = r"""
releases=$(cd -P -- "$1/releases" 2>/dev/null && pwd -P) || exit 0
shift
number=0
for path; do
  found=$(readlink -f -- "$path" 2>/dev/null) || found=$releases/
  case $found in "$releases"/*) printf '%s\n' "$number" ;; esac
  number=$((number + 1))
done
"""

# Stops containers, each with the patience it was made with: CONTAINER….
STOP = """
[ "$#" -eq 0 ] || docker stop "$@" >/dev/null
"""


# Within the application's directory: a file for each release whose data was carried on, or left as the policy says.
SETTLED = "settled"

# Forgets that a release's data was carried on, since it will be written again, and makes the release current: SETTLED
# TARGET LINK PROGRAM ARGUMENT…. A link that leads there is left: it tells which containers were started before it.
_MAKE_CURRENT = 'rm -f -- "$1"; [ "$(readlink -- "$3")" = "$2" ] && exit 0; shift 3; exec "$@"'


def make_current(directory: str, release_id: str) -> Argv:
    """Return the command that makes a release the current one of an application's directory."""
    target, path = f"releases/{release_id}", f"{directory}/current"
    settled = f"{directory}/{SETTLED}/{release_id}"
    return script(_MAKE_CURRENT, "sluice-current", settled, target, path, *link(target, path))


def as_root(project: str, directory: str, left: str, argv: Argv) -> Argv:
    """Return the command that runs a script as root over an application's folders.

    Args:
        left: The folder within that is left as it is; empty for none.
        argv: The script's command; its first word is `sh`.
    """
    return script(AS_ROOT, "sluice-as-root", project, directory, left, *argv[1:])


def copy(source: str, target: str, aside: str) -> Argv:
    """Return the command that copies from one release's folder into another; `copy_lines` says what."""
    return script(COPY, "sluice-copy", source, target, aside)


def copy_lines(
    *,
    carried: Iterable[str],
    deleted: Iterable[str],
    stale: Iterable[str],
    keeps_stale: bool,
    folders: Iterable[str],
) -> bytes:
    """Write down what `copy` does.

    Args:
        deleted: What is removed from the next release's folder.
        stale: What lies there from an earlier time, and is neither the bundle's nor copied now.
        keeps_stale: True to move that aside, False to remove it.
        folders: Folders of both that shall be owned alike.

    Raises:
        ValueError: A name cannot be written down.
    """
    lines = [f"{'~' if keeps_stale else '-'} {path.rstrip('/')}" for path in stale]
    lines += [f"- {path}" for path in deleted]
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in carried:
        folder, name = posixpath.split(path.rstrip("/"))
        by_folder[folder or "."].append(name)
    for folder, names in sorted(by_folder.items()):
        lines += [f"> {folder}", *(f"+ {name}" for name in sorted(names))]
    lines += [f"= {folder}" for folder in sorted(folders, reverse=True) if folder != "."]
    for line in lines:
        if "\n" in line or "\ufffd" in line:
            raise ValueError(line[2:])
    return "".join(f"{line}\n" for line in (*lines, ".")).encode("utf-8", "surrogateescape")
