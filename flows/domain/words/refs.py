"""May a ref enter an environment?

Patterns are those of `fnmatch`, with case: `*` stands for any characters, `/` among them, so `feature/*`
matches `feature/login` as well as `feature/team/login`; `?` for one character, `[ab]` for one of some.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from blocks.values.base import Value
from blocks.values.plans import GateAnswer
from flows.domain.words.names import RefKind
from flows.domain.words.text import one_line

GATE = "ref"


class RefPolicy(Value):
    """Which refs may enter an environment. Nothing named means nothing allowed."""

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class RefFacts(Value):
    """What git says about the ref that was asked for.

    Attributes:
        name: The name without `refs/…`; the commit id for a commit.
    """

    kind: RefKind
    name: str
    sha: str
    tags_at_commit: tuple[str, ...] = ()
    branches_containing: tuple[str, ...] = ()


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Say whether a name matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def ref_allowed(ref: RefFacts, environment: str, policy: RefPolicy) -> GateAnswer:
    """Say whether a ref may enter an environment.

    A named branch must match `branches`, a named tag must match `tags`; a bare commit enters when an
    allowed tag points at it or an allowed branch contains it.
    """
    found = _allowed_by(ref, policy)
    if found:
        return GateAnswer(gate=GATE, passed=True, reason=f"{found} may enter {environment}")
    what = f"commit {ref.sha[:7]}" if ref.kind == "commit" else f"{ref.kind} {one_line(ref.name)}"
    return GateAnswer(
        gate=GATE, passed=False, reason=f"{what} is not allowed in {environment}: {_say_policy(policy)}"
    )


def _allowed_by(ref: RefFacts, policy: RefPolicy) -> str:
    if ref.kind == "branch":
        return f"branch {one_line(ref.name)}" if matches(ref.name, policy.branches) else ""
    if ref.kind == "tag":
        return f"tag {one_line(ref.name)}" if matches(ref.name, policy.tags) else ""
    for tag in ref.tags_at_commit:
        if matches(tag, policy.tags):
            return f"commit {ref.sha[:7]} (tag {one_line(tag)})"
    for branch in ref.branches_containing:
        if matches(branch, policy.branches):
            return f"commit {ref.sha[:7]} (on branch {one_line(branch)})"
    return ""


def _say_policy(policy: RefPolicy) -> str:
    kinds = [("branches", policy.branches), ("tags", policy.tags)]
    said = [f"{name} {', '.join(one_line(glob) for glob in globs)}" for name, globs in kinds if globs]
    return f"allowed are {' and '.join(said)}" if said else "nothing is allowed there, name branches or tags"
