"""What must fit together across sections, judged on the data as read: so it is reported with all the rest."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from blocks.pipeline.checks import GLOB_CHARACTERS
from blocks.pipeline.problems import KeyPath, nearest, shown
from blocks.pipeline.shapes import listed, mapping
from blocks.pipeline.towards import find_pull_request_conflicts

if TYPE_CHECKING:
    from collections.abc import Iterator

Finding = tuple[KeyPath, str]


def find_conflicts(data: object) -> Iterator[Finding]:
    """Find references to nothing, and settings that cannot hold together.

    Args:
        data: The file's data; parts of the wrong type are passed over, pydantic tells about them.
    """
    pipeline = mapping(data)
    environments = mapping(pipeline.get("environments"))
    earlier: list[str] = []
    for name, written in environments.items():
        environment = mapping(written)
        at = ("environments", name)
        yield from _proven_in(at, environment, earlier, list(environments))
        yield from _refs(at, environment)
        yield from _migration(at, environment, pipeline)
        yield from _address(at, environment, pipeline)
        yield from _quorum(at, environment)
        yield from _gates(at, environment)
        earlier.append(name)
    yield from find_pull_request_conflicts(mapping(pipeline.get("pull_requests")), environments)


def _proven_in(
    at: KeyPath, environment: dict[str, Any], earlier: list[str], known: list[str]
) -> Iterator[Finding]:
    name = environment.get("proven_in")
    if not isinstance(name, str) or name in earlier:
        return
    path = (*at, "proven_in")
    if name == at[-1]:
        yield path, "an environment cannot be proven in itself — name an earlier one"
    elif name in known:
        yield path, f"{shown(name)} comes later — only an earlier environment can prove a release"
    else:
        yield path, f"expected an earlier environment, got {shown(name)}{nearest(name, earlier)}"


def _refs(at: KeyPath, environment: dict[str, Any]) -> Iterator[Finding]:
    branches, tags = listed(environment.get("branches")), listed(environment.get("tags"))
    if not branches and not tags:
        yield at, "nothing may enter — add branches or tags"
    branch = environment.get("branch")
    if not isinstance(branch, str) or GLOB_CHARACTERS.intersection(branch):
        return
    patterns = [pattern for pattern in branches if isinstance(pattern, str)]
    if not any(fnmatchcase(branch, pattern) for pattern in patterns):
        yield (
            (*at, "branch"),
            f"{shown(branch)} is not allowed by branches — add it there{nearest(branch, patterns)}",
        )


def _migration(at: KeyPath, environment: dict[str, Any], pipeline: dict[str, Any]) -> Iterator[Finding]:
    merged = pipeline | environment
    if merged.get("migration") is None or merged.get("backup") is not None:
        return
    advice = "a migration needs a backup before it — add backup: {service: <the database's service>}"
    if "migration" in environment or "backup" in environment:
        yield at, advice
    else:
        yield ("migration",), advice


def _address(at: KeyPath, environment: dict[str, Any], pipeline: dict[str, Any]) -> Iterator[Finding]:
    if environment.get("address") is not None:
        return
    for check in map(mapping, listed((pipeline | environment).get("smoke"))):
        asked = "http" in check and not check.get("address")
        if asked or any("{address}" in str(word) for word in listed(check.get("command"))):
            yield at, "its smoke checks need an address — add address: http://localhost:<port>"
            return


def _quorum(at: KeyPath, environment: dict[str, Any]) -> Iterator[Finding]:
    """Repeat the check of Approvals, which is not reached while another key there is wrong."""
    approvals = mapping(environment.get("approvals"))
    required, approvers = approvals.get("required", 1), listed(approvals.get("approvers"))
    if isinstance(required, int) and approvers and required > len(approvers):
        message = f"expected at most the number of approvers ({len(approvers)}), got {required}"
        yield (*at, "approvals", "required"), message


def _gates(at: KeyPath, environment: dict[str, Any]) -> Iterator[Finding]:
    """Find gates that could never open."""
    gates, approvals = mapping(environment.get("gates")), mapping(environment.get("approvals"))
    if gates.get("soak") and environment.get("proven_in") is None:
        yield (*at, "gates", "soak"), "a release soaks in the previous environment — add proven_in"
    if gates.get("version") is True and not listed(environment.get("tags")):
        yield (*at, "gates", "version"), "only tags are versions — add tags"
    hotfix, approvers = mapping(gates.get("hotfix")), listed(approvals.get("approvers"))
    if gates.get("checklist") and not approvers:
        yield (*at, "gates", "checklist"), "the approvers tick it — add approvals with approvers"
    if gates.get("checklist") and approvals.get("reviews") is True:
        yield (
            (*at, "approvals", "reviews"),
            "a review cannot tick it — remove it, or the checklist under gates",
        )
    if "hotfix" not in gates or gates["hotfix"] is None:
        return
    needed = hotfix.get("approvals", 2)
    if not approvers:
        yield (*at, "gates", "hotfix"), "a hotfix needs approvals — add approvals with approvers"
    elif isinstance(needed, int) and needed > len(approvers):
        message = f"expected at most the number of approvers ({len(approvers)}), got {needed}"
        yield (*at, "gates", "hotfix", *(["approvals"] if "approvals" in hotfix else [])), message
