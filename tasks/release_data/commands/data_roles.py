"""PURE: what becomes of what an application wrote into its release's folder when another release takes its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.release_data.commands.release_data import upwards, within

if TYPE_CHECKING:
    from blocks.pipeline.fields import DataRole
    from blocks.values.release_data import ReleaseData

_MOST_NAMED = 3


def role_of(path: str, roles: Mapping[str, DataRole]) -> DataRole | None:
    """Return what becomes of a path: what is said of it, or of the nearest folder it is in."""
    fitting = [source for source in roles if within(path, source)]
    return roles[max(fitting, key=lambda source: (source != ".", len(source)))] if fitting else None


@dataclass(frozen=True)
class DataVerdict:
    """What becomes of a release's data when another release takes its place.

    Attributes:
        refused: Why it may not be left, one line a mount; empty where it may.
        carried: What is copied into the next release's folder.
        deleted: What is removed from it: files of the bundle that the application removed.
        left: What stays behind on purpose.
    """

    refused: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def judge(
    data: ReleaseData,
    roles: Mapping[str, DataRole],
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    written: Collection[str] = (),
) -> DataVerdict:
    """Decide what becomes of what an application wrote.

    What the application changed, added or removed goes along; a file it left alone is as the next release has it; where
    both changed the same file, nobody can say which one counts.

    Args:
        roles: What the policy says of it.
        before: What the running release's bundle brought, with checksums.
        after: What the next release's brings.
        written: Paths that services of the next release may write to.
    """
    differs, deleted = data.differs, {*data.deleted}
    carried = [path for path in differs if role_of(path, roles) == "carry"]
    both = sorted(_both_changed(data, carried, before, after))
    return DataVerdict(
        refused=(
            *_elsewhere(data, roles),
            *_beside(data, roles),
            *_no_longer_shared(data, roles, after, written),
            *_without_role(data, roles),
            *_conflicts(both),
            *_unwritable(carried),
        ),
        carried=tuple(path for path in (*carried, *_empty(data, roles)) if path not in deleted),
        deleted=tuple(path for path in carried if path in deleted),
        left=tuple(path for path in differs if role_of(path, roles) == "release"),
    )


def outdated(
    there: ReleaseData, data: ReleaseData, roles: Mapping[str, DataRole], before: Mapping[str, str]
) -> tuple[str, ...]:
    """Return what the next release's folder has from an earlier time in place of what the bundle brought.

    A release that is gone back to has what the application made of its files then. Where it left those files alone
    since, they are as the release that is left has them.

    Args:
        there: What lies in the next release's folder.
        data: What was written into the folder of the release that is left.
        before: What that release's bundle brought.
    """
    differs = {*data.differs}
    return tuple(
        path
        for path in (*there.changed, *there.deleted)
        if path in before and path not in differs and role_of(path, roles) == "carry"
    )


def _empty(data: ReleaseData, roles: Mapping[str, DataRole]) -> tuple[str, ...]:
    return tuple(f"{path}/" for path in data.empty if role_of(path, roles) == "carry")


def _both_changed(
    data: ReleaseData, carried: Iterable[str], before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[str]:
    below: dict[str, list[str]] = defaultdict(list)
    for path in after:
        for folder in upwards(path):
            below[folder].append(path)
    unknown, added = {*data.unknown}, {*data.added}
    for path in carried:
        coming = below.get(path.rstrip("/"), ())
        if path.endswith("/"):
            yield from (one for one in coming if one.startswith(path))
        elif path in unknown and path not in before:
            yield from (one for one in coming if before.get(one) != after[one])
        elif path in added:
            yield from coming
        elif before.get(path) != after.get(path, _unless_link(before.get(path))):
            yield path


def _unless_link(before: str | None) -> str | None:
    """Return what is taken for a path that does not come: a manifest of an earlier version names no links."""
    return before if before is not None and before.startswith("-> ") else None


def _conflicts(both: Collection[str]) -> tuple[str, ...]:
    if not both:
        return ()
    return (
        f"{named(both)} was changed by the application and by the commits that come in: "
        "put the application's content into the commit, or remove the file there",
    )


def _unwritable(carried: Iterable[str]) -> tuple[str, ...]:
    """Tell of names that `copy_lines` cannot write down."""
    names = [path for path in carried if "\n" in path or "\ufffd" in path]
    if not names:
        return ()
    return (
        f"{named(names)} cannot be copied, its name holds a line break or is no UTF-8: give it another name",
    )


def _without_role(data: ReleaseData, roles: Mapping[str, DataRole]) -> tuple[str, ...]:
    rest = [path for path in data.differs if role_of(path, roles) is None]
    places: dict[str, list[str]] = {}
    for source in sorted(
        {one.source for one in data.mounts}, key=lambda source: (source == ".", -len(source))
    ):
        mine = [path for path in rest if within(path, source)]
        if mine:
            places[source] = mine
        rest = [path for path in rest if not within(path, source)]
    if not places:
        return ()
    told = ", ".join(
        f"{shown(at)} of {_services(data, at)} ({named(mine)})" for at, mine in sorted(places.items())
    )
    keys = ", ".join(f"{shown(at)}: carry" for at in sorted(places))
    return (
        f"the application wrote into the folder of {data.release_id}, and the next release would not have it: {told}; "
        f"say in pipeline.yaml on the default branch what happens to it: `data: {{{keys}}}` copies it into the next "
        "release, `release` in place of `carry` leaves it behind",
    )


def _elsewhere(data: ReleaseData, roles: Mapping[str, DataRole]) -> Iterator[str]:
    for one in data.elsewhere:
        if role_of(one.source, roles) != "release":
            yield (
                f"{one.service} was started before {data.release_id} became current, so what it writes to "
                f"{shown(one.source)} is in the folder of an earlier release: stop it, copy what is in "
                f"releases/<earlier release>/{one.source} into current/{one.source}, and start it"
            )


def _beside(data: ReleaseData, roles: Mapping[str, DataRole]) -> Iterator[str]:
    """Tell of those that nobody stops, and that would go on writing into the folder of a release that is gone."""
    for one in data.beside:
        if role_of(one.source, roles) != "release":
            yield (
                f"{one.service}, which is no service of {data.release_id}, may write to {shown(one.source)} and would "
                "go on doing so in the folder that is left: end it, or wait until it has ended"
            )


def _no_longer_shared(
    data: ReleaseData, roles: Mapping[str, DataRole], after: Mapping[str, str], written: Collection[str]
) -> Iterator[str]:
    """Tell of what all releases shared, where the next one has files or a mount of its own."""
    for one in data.shared:
        brought = [path for path in after if within(path, one.source)]
        over = () if one.source in written else (path for path in written if within(one.source, path))
        # Of which git has no file is shared itself.
        above = [path for path in over if any(within(file, path) for file in after)]
        if (brought or above) and role_of(one.source, roles) != "release":
            at = shown(one.source)
            does = f"brings {named(brought)}" if brought else f"mounts {named(above)} instead"
            mend = "take that out of git" if brought else f"mount {at} as well"
            yield (
                f"what {one.service} wrote to {at} is in shared/{one.source}, since git had no file there; the next "
                f"release {does} and would not have it: {mend}, or say in pipeline.yaml "
                f"on the default branch `data: {{{at}: release}}` and copy it into current/{one.source} once that runs"
            )


def _services(data: ReleaseData, source: str) -> str:
    return ", ".join(sorted({one.service for one in data.mounts if one.source == source}))


def named(paths: Collection[str]) -> str:
    """Name the first of some paths, and say how many more there are."""
    first = sorted(paths)[:_MOST_NAMED]
    more = len(paths) - len(first)
    return ", ".join(shown(path) for path in first) + (f" and {more} more" if more else "")


def shown(path: str) -> str:
    """Write a path as a compose file does, on one line."""
    text = "".join(letter if letter.isprintable() else "?" for letter in path)
    return text if path == "." else f"./{text}"
