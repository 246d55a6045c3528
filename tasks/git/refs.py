"""Branches, tags and commit ids: what a name that somebody typed stands for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from tasks.git.commands import SHORT_SHA
from tasks.kernel.errors import TerminalError
from tasks.kernel.lines import lines

BRANCHES, TAGS = "refs/heads/", "refs/tags/"
NEAREST = 3
# Comparing names takes its time, and whoever pushes branches chooses how many there are.
MOST_COMPARED = 1_000


@dataclass(frozen=True)
class ResolvedRef:
    """What a ref stands for."""

    kind: Literal["branch", "tag", "commit"]
    name: str
    sha: str


@dataclass(frozen=True)
class Ref:
    """One branch or tag of the mirror.

    Attributes:
        full_name: `refs/heads/…` or `refs/tags/…`.
        object_type: The type of that: `commit`, or `tag` for an annotated one.
        peeled_id: What an annotated tag points to, empty for others.
    """

    full_name: str
    object_id: str
    object_type: str
    peeled_id: str
    peeled_type: str

    @property
    def name(self) -> str:
        """The short name."""
        return self.full_name.removeprefix(BRANCHES).removeprefix(TAGS)

    @property
    def kind(self) -> Literal["branch", "tag"]:
        """What it is."""
        return "branch" if self.full_name.startswith(BRANCHES) else "tag"

    @property
    def commit(self) -> str | None:
        """The commit it leads to; None where that is not told here (a tag of a tag) or there is none."""
        if self.object_type == "commit":
            return self.object_id
        return self.peeled_id if self.peeled_type == "commit" else None


def parse_refs(output: str) -> tuple[Ref, ...]:
    """Read what `git for-each-ref` printed."""
    return tuple(Ref(*line.split("\0")) for line in lines(output))


def parse_remote(text: str) -> tuple[str, dict[str, str]]:
    """Read what `git ls-remote --symref` printed: the default branch, and ref → object id."""
    head, refs = "", {}
    for line in lines(text):
        value, _, name = line.partition("\t")
        if name == "HEAD":
            head = value.removeprefix(f"ref: {BRANCHES}") if value.startswith("ref: ") else head
        elif not name.endswith("^{}"):
            refs[name] = value
    return head, refs


def find(wanted: str, refs: tuple[Ref, ...]) -> Ref | None:
    """Find the branch or tag a name stands for; names are compared, never given to git.

    Raises:
        TerminalError: A branch and a tag have that name.
    """
    matches = [ref for ref in refs if wanted in {ref.full_name, ref.name}]
    if len(matches) > 1:
        raise TerminalError(
            f"{_shown(wanted)} is both a branch and a tag",
            f"write {' or '.join(sorted(ref.full_name for ref in matches))}",
        )
    return matches[0] if matches else None


def unknown(wanted: str, refs: tuple[Ref, ...], where: str) -> TerminalError:
    """Return the error for a name nothing has, with the nearest names."""
    names = sorted({ref.name for ref in refs}, key=lambda name: (abs(len(name) - len(wanted)), name))[
        :MOST_COMPARED
    ]
    near = difflib.get_close_matches(wanted[:200], names, n=NEAREST, cutoff=0.5)
    hint = (
        f"the nearest are {', '.join(map(_shown, near))}" if near else "push it first, or check the spelling"
    )
    what = "commit, branch or tag" if SHORT_SHA.match(wanted) else "branch or tag"
    return TerminalError(f"there is no {what} {_shown(wanted)} in {where}", hint)


def _shown(name: str) -> str:
    plain = name.encode("unicode_escape").decode() if not name.isprintable() else name
    return plain if len(plain) <= 80 else plain[:79] + "…"  # noqa: PLR2004
