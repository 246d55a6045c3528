"""The gates of refs beyond their names: a newer version, and a history that goes through the right branch."""

from __future__ import annotations

from collections.abc import Iterable

from semver import Version

from blocks.values.plans import GateAnswer
from flows.domain.gates.answer import closed, opened
from flows.domain.words.refs import RefFacts
from flows.domain.words.text import one_line

VERSION, REACHABLE = "version", "reachable"


def version_of(tag: str) -> Version | None:
    """Read the semantic version of a tag."""
    text = tag.removeprefix("v")
    return Version.parse(text) if Version.is_valid(text) else None


def newest_version(tags: Iterable[str]) -> tuple[Version, str] | None:
    """Return the highest version among tags, with its tag; None where no tag is a version."""
    found = [(version, tag) for tag in tags if (version := version_of(tag)) is not None]
    return max(found, key=lambda one: (one[0], one[1]), default=None)


def version_newer(ref: RefFacts, running_tags: Iterable[str], *, running: str | None) -> GateAnswer:
    """Say whether what was asked for is a version newer than the one that runs.

    Args:
        ref: What was asked for; of a bare commit the tags that point at it count.
    """
    asked = (ref.name,) if ref.kind == "tag" else ref.tags_at_commit if ref.kind == "commit" else ()
    new = newest_version(asked)
    if new is None:
        what = f"{ref.kind} {one_line(ref.name)}" if ref.kind != "commit" else f"commit {ref.sha[:7]}"
        return closed(VERSION, f"{what} is no version: tag it as one, such as v1.4.0, and promote the tag")
    old = newest_version(running_tags)
    tag = one_line(new[1])
    if old is None:
        runs = "nothing runs yet" if running is None else f"{one_line(running)} that runs has no version"
        return opened(VERSION, f"{tag} is a version; {runs}")
    if new[0] > old[0]:
        return opened(VERSION, f"{tag} is newer than {one_line(old[1])}")
    return closed(
        VERSION,
        f"{tag} is not newer than {one_line(old[1])}, which runs: tag a higher version, or go back with rollback",
    )


def reachable(ref: RefFacts, branch: str) -> GateAnswer:
    """Say whether a branch's history holds the commit."""
    short, name = ref.sha[:7], one_line(branch)
    if branch in ref.branches_containing:
        return opened(REACHABLE, f"{name} contains {short}")
    return closed(REACHABLE, f"{name} does not contain {short}: merge it there first")
