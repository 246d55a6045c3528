"""Which refs may enter an environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.words.names import RefKind
from flows.domain.words.refs import RefFacts, RefPolicy, matches, ref_allowed
from tests.flows.domain.samples import SHA

POLICY = RefPolicy(branches=("main", "feature/*"), tags=("v*",))


def facts(kind: RefKind, name: str, *, tags: tuple[str, ...] = (), on: tuple[str, ...] = ()) -> RefFacts:
    return RefFacts(kind=kind, name=name, sha=SHA, tags_at_commit=tags, branches_containing=on)


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("feature/login", "feature/*", True),
        ("feature/team/login", "feature/*", True),
        ("feature", "feature/*", False),
        ("Feature/x", "feature/*", False),
        ("main", "main", True),
        ("maintenance", "main", False),
        ("v1.4.0", "v*", True),
        ("release-3", "release-[0-9]", True),
        ("release-x", "release-[0-9]", False),
        ("hotfix1", "hotfix?", True),
    ],
)
def test_patterns(name: str, pattern: str, expected: bool) -> None:
    assert matches(name, (pattern,)) is expected


SEGMENT = st.text(alphabet="abc-.1", min_size=1, max_size=5)


@given(st.lists(SEGMENT, min_size=1, max_size=4), SEGMENT)
def test_a_star_matches_one_or_more_segments_below_its_prefix_only(below: list[str], prefix: str) -> None:
    assert matches(f"{prefix}/{'/'.join(below)}", (f"{prefix}/*",))
    assert not matches(prefix, (f"{prefix}/*",))
    assert not matches(f"x{prefix}/{below[0]}", (f"{prefix}/*",))


@given(st.text(alphabet="abc/.-", max_size=8), st.lists(st.text(alphabet="abc/.-", max_size=8), max_size=3))
def test_a_pattern_without_wildcards_matches_itself_only(name: str, patterns: list[str]) -> None:
    assert matches(name, patterns) is (name in patterns)


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        (facts("branch", "feature/a/b"), "branch feature/a/b may enter staging"),
        (facts("tag", "v1"), "tag v1 may enter staging"),
        (facts("commit", SHA, tags=("x", "v2")), "commit 1f3c2ab (tag v2) may enter staging"),
        (facts("commit", SHA, on=("wip", "main")), "commit 1f3c2ab (on branch main) may enter staging"),
    ],
)
def test_what_may_enter(ref: RefFacts, reason: str) -> None:
    answer = ref_allowed(ref, "staging", POLICY)
    assert answer.passed
    assert answer.reason == reason


@pytest.mark.parametrize(
    ("ref", "policy", "reason"),
    [
        (
            facts("branch", "feature/x", tags=("v1",)),
            RefPolicy(tags=("v*",)),
            "branch feature/x is not allowed in prod: allowed are tags v*",
        ),
        (
            facts("tag", "nightly", on=("main",)),
            POLICY,
            "tag nightly is not allowed in prod: allowed are branches main, feature/* and tags v*",
        ),
        (
            facts("commit", SHA, tags=("x",), on=("wip",)),
            POLICY,
            "commit 1f3c2ab is not allowed in prod: allowed are branches main, feature/* and tags v*",
        ),
        (
            facts("branch", "main"),
            RefPolicy(),
            "branch main is not allowed in prod: nothing is allowed there, name branches or tags",
        ),
        # A branch of a tag's name is not that tag, and the other way round.
        (
            facts("branch", "v1"),
            RefPolicy(tags=("v*",)),
            "branch v1 is not allowed in prod: allowed are tags v*",
        ),
        (
            facts("tag", "main"),
            RefPolicy(branches=("main",)),
            "tag main is not allowed in prod: allowed are branches main",
        ),
    ],
)
def test_what_may_not_enter_is_told_why(ref: RefFacts, policy: RefPolicy, reason: str) -> None:
    answer = ref_allowed(ref, "prod", policy)
    assert not answer.passed
    assert answer.reason == reason
    assert answer.gate == "ref"


@given(st.sampled_from(["branch", "tag", "commit"]), st.text(max_size=20))
def test_nothing_named_means_nothing_allowed(kind: RefKind, name: str) -> None:
    assert not ref_allowed(facts(kind, name, tags=(name,), on=(name,)), "prod", RefPolicy()).passed
