"""Patterns of paths: what stays within a folder, and what does not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.pull_requests.paths import path_matches


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("docs/**", "docs/a.md", True),
        ("docs/**", "docs/ops/a.md", True),
        ("docs/**", "docs", False),
        ("docs/**", "src/docs/a.md", False),
        ("docs/**", "docs2/a.md", False),
        ("docs/*.md", "docs/a.md", True),
        ("docs/*.md", "docs/ops/a.md", False),
        ("*.md", "README.md", True),
        ("*.md", "src/a.md", False),
        ("**/*.md", "a.md", True),
        ("**/*.md", "src/x/a.md", True),
        ("**/*.md", "src/a.mdx", False),
        ("**", "anything/at/all", True),
        ("docs/**/img/*.png", "docs/img/a.png", True),
        ("docs/**/img/*.png", "docs/a/b/img/a.png", True),
        ("docs/a?.md", "docs/ab.md", True),
        ("docs/a?.md", "docs/a/.md", False),
        ("docs/a.md", "docs/a.md", True),
        ("docs/a.md", "docs/aXmd", False),
        ("docs/a.md", "docs/A.md", False),
        ("docs/*", "docs/a\nb", True),
        ("docs/a.md", "docs/a.md\n", False),
        ("docs/(a|b)+.md", "docs/a.md", False),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    assert path_matches(path, [pattern]) is expected


def test_one_of_several_is_enough_and_none_matches_nothing() -> None:
    assert path_matches("a.md", ["docs/**", "*.md"])
    assert not path_matches("a.md", [])


@given(st.text("abc/.*?", min_size=1, max_size=12), st.text("abc/.\n", max_size=12))
def test_a_star_never_leaves_its_folder(pattern: str, path: str) -> None:
    if "**" not in pattern and path_matches(path, [pattern]):
        assert path.count("/") == pattern.count("/")


@given(st.text("a/b", max_size=12), st.text("ab/*?", max_size=10))
def test_it_is_what_the_regular_expression_says(path: str, pattern: str) -> None:
    means = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    parts = re.findall(r"\*\*/|\*\*|\*|\?|[^*?]", pattern)
    assert path_matches(path, (pattern,)) == bool(re.fullmatch("".join(means.get(p, p) for p in parts), path))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("pattern", "path"),
    [("**/*a*a*a*z", "a" * 4000), ("**/a/**/a/**/a/**/z", "a/" * 2000), ("*a*a*a*a*z", "a" * 4000)],
)
def test_who_chooses_the_path_does_not_choose_how_long_it_takes(pattern: str, path: str) -> None:
    assert not path_matches(path, (pattern,))
