"""Versions and histories."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from blocks.values.plans import GateAnswer
from flows.domain.gates.versions import newest_version, reachable, version_newer, version_of
from flows.domain.words.refs import RefFacts
from tests.flows.domain.samples import HOSTILE, SHA


def tag(name: str, **changes: Any) -> RefFacts:
    return RefFacts(kind="tag", name=name, sha=SHA, **changes)


def ask(ref: RefFacts, *running_tags: str, running: str | None = "r1") -> GateAnswer:
    return version_newer(ref, running_tags, running=running)


@pytest.mark.parametrize("name", ["v1.4.0", "1.4.0", "v1.4.0-rc.1", "v1.4.0+build.7", "v0.0.1"])
def test_what_is_a_version(name: str) -> None:
    assert version_of(name) is not None
    assert ask(tag(name)).passed


@pytest.mark.parametrize(
    "name", ["v1.4", "v1", "v01.4.0", "vv1.4.0", "v1.4.0-", "version", "", "v1.4.0\n", "V1.4.0"]
)
def test_what_is_none(name: str) -> None:
    assert version_of(name) is None
    answer = ask(tag(name))
    assert not answer.passed
    assert "is no version: tag it as one, such as v1.4.0" in answer.reason


@pytest.mark.parametrize(
    ("new", "old", "passed"),
    [
        ("v1.4.1", "v1.4.0", True),
        ("v1.10.0", "v1.9.0", True),
        ("v2.0.0", "1.9.9", True),
        ("v1.4.0", "v1.4.0-rc.1", True),
        ("v1.4.0-rc.1", "v1.4.0", False),
        ("v1.4.0", "v1.4.0", False),
        ("v1.4.0+2", "v1.4.0+1", False),
        ("v1.3.9", "v1.4.0", False),
    ],
)
def test_newer_than_what_runs(new: str, old: str, passed: bool) -> None:
    answer = ask(tag(new), "latest", old)
    assert answer.passed is passed
    if not passed:
        assert answer.reason == (
            f"{new} is not newer than {old}, which runs: tag a higher version, or go back with rollback"
        )


def test_what_runs_has_no_version_or_nothing_runs() -> None:
    assert ask(tag("v1.0.0"), "latest").reason == "v1.0.0 is a version; r1 that runs has no version"
    assert ask(tag("v1.0.0"), running=None).reason == "v1.0.0 is a version; nothing runs yet"


def test_a_commit_is_the_highest_of_its_tags_and_a_branch_has_none() -> None:
    commit = RefFacts(kind="commit", name=SHA, sha=SHA, tags_at_commit=("v1.0.0", "v1.2.0", "latest"))
    assert ask(commit, "v1.1.0").passed
    branch = RefFacts(kind="branch", name=HOSTILE, sha=SHA, tags_at_commit=("v9.0.0",))
    assert not ask(branch).passed
    assert "\n" not in ask(branch).reason
    untagged = RefFacts(kind="commit", name=SHA, sha=SHA)
    assert ask(untagged).reason.startswith("commit 1f3c2ab is no version")


NUMBERS = st.tuples(*[st.integers(0, 30)] * 3)


@given(NUMBERS, NUMBERS)
def test_it_passes_where_the_numbers_are_higher(new: tuple[int, int, int], old: tuple[int, int, int]) -> None:
    answer = ask(tag("v" + ".".join(map(str, new))), "v" + ".".join(map(str, old)))
    assert answer.passed is (new > old)


@given(st.lists(NUMBERS, max_size=5))
def test_the_highest_is_found_in_any_order(numbers: list[tuple[int, int, int]]) -> None:
    found = newest_version(["x", *(f"v{a}.{b}.{c}" for a, b, c in numbers)])
    assert (found and found[0]) == (Version(*max(numbers)) if numbers else None)


@given(st.text(max_size=20))
def test_no_text_breaks_it(text: str) -> None:
    version_of(text)


def test_reachable() -> None:
    ref = tag("v1", branches_containing=("main", "feature/x"))
    assert reachable(ref, "main").passed
    answer = reachable(ref, "release")
    assert not answer.passed
    assert answer.reason == "release does not contain 1f3c2ab: merge it there first"
