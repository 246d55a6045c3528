"""PURE: what an application wrote into its release's folder, found, and compared with the release's bundle."""

from __future__ import annotations

import posixpath
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from blocks.values.manifests import EARLIER_MANIFEST_FILE, MANIFEST_FILE
from blocks.values.release_data import ReleaseData, WrittenMount
from tasks.host.files import parse_files
from tasks.host.scripts import script
from tasks.host.shape import plain_path

if TYPE_CHECKING:
    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from tasks.host.shape import ComposeShape
    from tasks.kernel.argv import Argv

# What Sluice itself puts beside the bundle: no application's data.
OWN_FILES = frozenset({MANIFEST_FILE, "sluice.override.yaml"})

UP = frozenset({"running", "restarting", "paused"})
# The clocks of the control machine and of a host may differ by so much.
_SKEW_SECONDS = 300.0

# Says what lies where services may write: FOLDER SOURCE…; the bundle's files come by standard input, one a line.
# Sources are resolved first, so a link out of the folder leads out of it, and what is outside is not looked at. Each
# line begins with a letter: R the folder, C when the link to it was made, S a source and P where it leads to in the
# folder, A a source that the folder is in, O a source and K where it leads to in `shared`, if anything is there, F a
# file, N an empty one, L a link and T its target, D a folder, U what may not be read, H a file's checksum, E the end. A
# newline in a name becomes byte 1.
LOOK = r"""
LC_ALL=C; export LC_ALL
folder=$(cd -P -- "$1" 2>/dev/null && pwd -P) || exit 0
made=$(stat -c %Y -- "$1")
shift
cd -- "$folder" || exit 1
printf 'R %s\nC %s\n' "$folder" "$made"
left=$#
while [ "$left" -gt 0 ]; do
  source=$1; shift; left=$((left - 1))
  found=$(readlink -f -- "$source" 2>/dev/null) || found=
  case $found in
    "$folder") path=. ;;
    "$folder"/*) path=./${found#"$folder"/} ;;
    '') continue ;;
    "${folder%/*/*}"/shared/*)
      if ! held=$(ls -A -- "$found" 2>/dev/null) || [ -n "$held" ]; then
        printf 'O %s\nK %s\n' "$source" "${found#"${folder%/*/*}"/shared/}"
      fi
      continue ;;
    *)
      case $folder in "${found%/}"/*) printf 'A %s\n' "$source"; set -- "$@" . ;; esac
      continue ;;
  esac
  printf 'S %s\nP %s\n' "$source" "$path"
  { [ -e "$path" ] || [ -L "$path" ]; } && set -- "$@" "$path"
done
lines() { tr '\n\000' '\001\n'; }
if [ "$#" -gt 0 ]; then
  find "$@" -type f -exec sh -c 'for one; do
    if [ -s "$one" ]; then printf "F %s\000" "$one"; else printf "N %s\000" "$one"; fi
  done' sh {} + 2>/dev/null | lines
  find "$@" -type l -exec sh -c \
    'for one; do printf "L %s\000T %s\000" "$one" "$(readlink -- "$one")"; done' sh {} + 2>/dev/null | lines
  find "$@" -type d -exec sh -c 'for one; do
    printf "D %s\000" "$one"; { [ -r "$one" ] && [ -x "$one" ]; } || printf "U %s\000" "$one"
  done' sh {} + 2>/dev/null | lines
  tr '\n' '\000' | xargs -0 sha256sum -- 2>/dev/null | sed 's/^/H /'
fi
printf 'E\n'
"""


@dataclass(frozen=True)
class Listing:
    """What `LOOK` found. Paths are relative to the folder.

    Attributes:
        folder: The release's folder.
        sources: Source as it was asked for → where it leads to in the folder.
        files: The files.
        hollow: Those of them with nothing in them.
        links: Link → what it leads to.
        folders: The folders.
        unread: Folders that may not be read.
        sums: File of the bundle → sha256 of its content, hex.
        above: Sources that the folder is in. Who has one of them sees what the link leads to.
        since: When the link to the folder was made, seconds since 1970.
        shared: Source → where it leads to in what all releases share, where anything is there.
    """

    folder: str
    sources: Mapping[str, str]
    files: frozenset[str]
    hollow: frozenset[str]
    links: Mapping[str, str]
    folders: frozenset[str]
    unread: frozenset[str]
    sums: Mapping[str, str]
    above: frozenset[str] = frozenset()
    since: int = 0
    shared: Mapping[str, str] = field(default_factory=dict)


def look(folder: str, sources: Iterable[str]) -> Argv:
    """Return the command that says what lies where services may write."""
    return script(LOOK, "sluice-look", folder, *sources)


def tracked_lines(manifest: Manifest) -> bytes:
    """Return what `look` reads: the bundle's files."""
    names = (path for path in sorted(manifest.checksums) if "\n" not in path)
    return "".join(f"./{path}\n" for path in names).encode("utf-8", "surrogateescape")


def parse_listing(text: str) -> Listing | None:
    """Read what `LOOK` printed.

    Returns:
        What it found, None where there is no such folder.

    Raises:
        ValueError: Its beginning or its end is missing.
    """
    if not text.strip():
        return None
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        found.setdefault(line[:1], []).append(line[2:])
    if not text.startswith("R ") or "E" not in found:
        raise ValueError("the list is incomplete")
    paths = {tag: [_plain(path) for path in found.get(tag, ())] for tag in "PFNLDU"}
    return Listing(
        folder=found["R"][0],
        sources=dict(zip(found.get("S", ()), paths["P"], strict=True)),
        files=frozenset((*paths["F"], *paths["N"])),
        hollow=frozenset(paths["N"]),
        links=dict(zip(paths["L"], found.get("T", ()), strict=True)),
        folders=frozenset(paths["D"]),
        unread=frozenset(paths["U"]),
        sums=parse_files("\n".join(found.get("H", ()))),
        above=frozenset(found.get("A", ())),
        since=int(found["C"][0] or 0),
        shared=dict(zip(found.get("O", ()), found.get("K", ()), strict=True)),
    )


def _plain(path: str) -> str:
    return "." if path == "." else path.removeprefix("./").replace("\x01", "\n")


def writable_sources(
    containers: Iterable[ContainerFact], shape: ComposeShape | None
) -> tuple[tuple[str, str], ...]:
    """Return each path of the host that a service may write to, with the service, sorted.

    Args:
        containers: The application's containers: what they have is the truth.
        shape: The application as compose reads it on the host, for services without a container; None where it could
            not be read.
    """
    found = {
        (one.service, mount.source)
        for one in containers
        for mount in one.mounts
        if mount.source and mount.writable
    }
    for name, service in (shape.services if shape else {}).items():
        for mount in service.get("volumes") or []:
            if mount.get("type") == "bind" and mount.get("source") and not mount.get("read_only"):
                found.add((name, plain_path(str(mount["source"]))))
    return tuple(sorted(found))


def compare(
    listing: Listing,
    manifest: Manifest,
    sources: Iterable[tuple[str, str]],
    *,
    directory: str,
    made: Collection[str] = (),
    late: Iterable[tuple[str, str]] = (),
    beside: Collection[str] = (),
    apart: Collection[str] = (),
) -> ReleaseData:
    """Compare what lies where services may write with what the release's bundle put there.

    Args:
        manifest: What the host remembers of the release.
        sources: Service and path on the host, of each place a service may write to.
        directory: The application's directory: what Sluice linked from there into the bundle is no data of the release.
        made: What the engine made itself; see `mount_points`.
        late: Service and path on the host of mounts that lead to the folder of an earlier release; see `late_mounts`.
        beside: Containers among the services that are none, and run.
        apart: Paths that are to be told on their own, although the bundle has nothing near them.
    """
    places = {
        WrittenMount(service=service, source=listing.sources.get(source, "."))
        for service, source in sources
        if source in listing.sources or source in listing.above
    }
    own = OWN_FILES | ({EARLIER_MANIFEST_FILE} if manifest.links is None else set())
    known = {path: checksum for path, checksum in manifest.checksums.items() if path not in own}
    tracked = frozenset(path for path in known if any(within(path, one.source) for one in places))
    late = sorted(set(late))
    links = {path for path, target in listing.links.items() if not _ours(target, directory, listing.folder)}
    # A manifest of an earlier version does not say which links the commit has: those there are taken for its own.
    brought = {path: listing.links[path] for path in links} if manifest.links is None else manifest.links
    moved = {path for path in links if brought.get(path) != listing.links[path]}
    gone = {path for path in brought if any(within(path, one.source) for one in places)} - set(listing.links)
    there = tracked & listing.files
    # What the engine makes is empty; a file of the bundle, or one with something in it, is not of its making.
    new = ((listing.files - tracked - ({*made} & listing.hollow)) | (moved - set(brought))) - own
    shut = {path for path in tracked - there if any(within(path, one) for one in listing.unread)}
    near = _ancestors((*known, *brought, *apart))
    added = {_whole(path, near) for path in new}
    hollow = {_whole(f"{path}/.", near) for path in listing.folders - near - listing.unread}
    return ReleaseData(
        release_id=manifest.release.id,
        made=tuple(sorted(made)),
        shared=tuple(
            WrittenMount(service=service, source=listing.shared[source])
            for service, source in sources
            if source in listing.shared
        ),
        elsewhere=tuple(
            WrittenMount(service=service, source=listing.sources[source])
            for service, source in late
            if source in listing.sources
        ),
        beside=tuple(
            WrittenMount(service=service, source=listing.sources[source])
            for service, source in sources
            if service in beside and source in listing.sources and (service, source) not in late
        ),
        folders=tuple(sorted(listing.folders & near)),
        mounts=tuple(sorted(places, key=lambda one: (one.source, one.service))),
        changed=tuple(
            sorted(
                {path for path in there if path in listing.sums and listing.sums[path] != known[path]}
                | (moved & set(brought))
            )
        ),
        added=tuple(sorted(added)),
        deleted=tuple(sorted((tracked - there - shut) | gone)),
        unknown=tuple(sorted({path for path in there if path not in listing.sums} | listing.unread)),
        empty=tuple(sorted({path.rstrip("/") for path in hollow} - {path.rstrip("/") for path in added})),
    )


def within(path: str, folder: str) -> bool:
    """Say whether a path is a folder or in it; all is in `.`."""
    return folder == "." or path.rstrip("/") == folder or path.startswith(f"{folder}/")


def those_in(paths: Iterable[str], folders: Iterable[str]) -> Iterator[str]:
    """Return the paths that are one of some folders or in one; as quick for many folders as for one."""
    plain = {folder.rstrip("/") for folder in folders}
    return (path for path in paths if not plain.isdisjoint(upwards(path.rstrip("/"))))


def upwards(path: str) -> Iterator[str]:
    """Return a path, the folders it is in, and `.`."""
    yield path
    while path := posixpath.dirname(path):
        yield path
    yield "."


def _ours(target: str, directory: str, folder: str) -> bool:
    """Say whether a link is one that Sluice made: to an env file or a data folder beside the releases."""
    inside = posixpath.normpath(target).startswith(f"{directory}/")
    return inside and not within(posixpath.normpath(target), posixpath.dirname(folder))


def late_mounts(containers: Iterable[ContainerFact], since: int) -> tuple[tuple[str, str], ...]:
    """Return the mounts of containers that were started before a release became current.

    The engine follows the link when it starts a container; what the link leads to afterwards changes nothing for it.

    Args:
        since: When the link was made, seconds since 1970.

    Returns:
        Service and path on the host.
    """
    return tuple(
        (one.service, mount.source)
        for one in containers
        if one.status in {"running", "paused"} and _started(one) < since
        for mount in one.mounts
        if mount.source and mount.writable
    )


def in_use(
    containers: Iterable[ContainerFact], live: Iterable[tuple[str, float]], directory: str, since: int
) -> frozenset[str]:
    """Return earlier releases whose folders containers may have mounted: those that ran about when they were started.

    Services that stay as they are keep the folder of the release they were started in, also read-only ones.

    Args:
        live: The releases that ran and when that was known, seconds since 1970, oldest first.
        since: When the link to the current release was made, seconds since 1970; who was started later has that one.
    """
    ran, found = tuple(live), set[str]()
    inside = (f"{directory}/current", f"{directory}/releases")
    for one in containers:
        if one.status not in UP:
            continue
        named = (
            mount.source.removeprefix(f"{inside[1]}/")
            for mount in one.mounts
            if within(mount.source, inside[1])
        )
        found |= {path.partition("/")[0] for path in named}
        if _started(one) >= since + 1:
            continue
        if any(within(mount.source, place) for mount in one.mounts for place in inside):
            first = bisect_right(ran, _started(one) - _SKEW_SECONDS, key=itemgetter(1))
            last = bisect_right(ran, _started(one) + _SKEW_SECONDS, key=itemgetter(1))
            found |= {release for release, _ in ran[max(0, first - 1) : last + 1]}
    return frozenset(found)


def _started(container: ContainerFact) -> float:
    """Return when a container was started, seconds since 1970; what is not known is taken for late enough."""
    try:
        return datetime.fromisoformat(container.started_at).timestamp()
    except ValueError:
        return float("inf")


def mount_points(containers: Iterable[ContainerFact], sources: Mapping[str, str]) -> Iterator[str]:
    """Return where the engine makes an empty file or folder, because a mount lies within another one.

    Args:
        sources: Source of a mount → where it leads to in the release's folder.
    """
    for one in containers:
        for outer in one.mounts:
            if outer.source in sources:
                yield from (
                    posixpath.normpath(
                        posixpath.join(sources[outer.source], inner.target[len(outer.target) :].lstrip("/"))
                    )
                    for inner in one.mounts
                    if inner.target.startswith(f"{outer.target.rstrip('/')}/")
                )


def _ancestors(paths: Iterable[str]) -> frozenset[str]:
    found = {"."}
    for path in paths:
        while (path := posixpath.dirname(path)) and path not in found:
            found.add(path)
    return frozenset(found)


def _whole(path: str, near: Collection[str]) -> str:
    """Return the highest folder above a path that holds nothing of the bundle, else the path itself."""
    parts = path.split("/")
    for index in range(1, len(parts)):
        above = "/".join(parts[:index])
        if above not in near:
            return f"{above}/"
    return path
