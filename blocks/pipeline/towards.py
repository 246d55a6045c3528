"""What the section `pull_requests` must never lead to, judged on the data as read.

A merge that nobody looks at must not bring anything nearer to production than people agreed to: into no branch from
which a guarded environment takes releases, and into none whose tags the last environment takes without asking anybody.
Tags are never made here.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from blocks.pipeline.problems import KeyPath, nearest, shown
from blocks.pipeline.shapes import listed, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOTFIXES = "hotfix/*"
_AT: KeyPath = ("pull_requests",)


def find_pull_request_conflicts(
    section: Mapping[str, Any], environments: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, str]]:
    """Find what the section must not ask for, and references to nothing."""
    known = [str(name) for name in environments]
    for index, name in enumerate(listed(section.get("revert_after_rollback"))):
        if isinstance(name, str) and name not in environments:
            several = isinstance(section["revert_after_rollback"], list)
            path = (*_AT, "revert_after_rollback", *([index] if several else []))
            yield path, f"expected an environment, got {shown(name)}{nearest(name, known)}"
    for index, rule in enumerate(map(mapping, listed(section.get("open")))):
        into = rule.get("into")
        if isinstance(into, str) and any(fnmatchcase(into, one) for one in _texts(rule.get("branches"))):
            message = f"{shown(into)} is among its own branches — a branch has no pull request into itself"
            yield (*_AT, "open", index, "into"), message
    for index, rule in enumerate(map(mapping, listed(section.get("auto_merge")))):
        into = rule.get("into")
        reason = auto_merge_refusal(into, environments) if isinstance(into, str) else ""
        if reason:
            yield (*_AT, "auto_merge", index, "into"), reason


def auto_merge_refusal(branch: str, environments: Mapping[str, Any]) -> str:
    """Say why nothing may be merged into a branch without a person; empty where it may."""
    last = list(environments)[-1:]
    for name, written in environments.items():
        environment = mapping(written)
        approvals, is_last = mapping(environment.get("approvals")), [name] == last
        if (is_last or approvals) and any(fnmatchcase(branch, one) for one in _entering(environment)):
            what = "is the last environment" if is_last else "asks for approvals"
            return f"{shown(branch)} may enter {name}, which {what} — nothing is merged towards it without a person"
        gates = mapping(environment.get("gates"))
        if not is_last or approvals or not _texts(environment.get("tags")):
            continue
        source = gates.get("reachable_from")
        if not isinstance(source, str) or source == branch:
            return (
                f"{name} takes tags of {shown(branch)} and asks nobody — add approvals to {name}, or let its tags come "
                "from another branch (gates.reachable_from)"
            )
    return ""


def _entering(environment: Mapping[str, Any]) -> list[str]:
    """Return the patterns of branches from which something may enter an environment, hotfixes included."""
    gates = mapping(environment.get("gates"))
    found = [*_texts(environment.get("branches")), *_texts(environment.get("branch"))]
    if gates.get("hotfix") is not None:
        found += _texts(mapping(gates["hotfix"]).get("branches", HOTFIXES))
    return found


def _texts(value: object) -> list[str]:
    return [one for one in listed(value) if isinstance(one, str)]
