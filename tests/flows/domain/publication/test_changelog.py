"""A version's entry goes where keepachangelog.com has it, once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from flows.domain.publication.changelog import branch_of, with_entry

AT = datetime(2026, 11, 26, 8, 5, tzinfo=UTC)
NEW = Version.parse("1.4.0")
ENTRY = "- Change 12 (#12, ada)"


def put(text: str, version: Version = NEW) -> str | None:
    return with_entry(text, version, AT, [ENTRY])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "# Changelog\n\n## [1.4.0] - 2026-11-26\n\n{}\n"),
        (
            "# Changelog\n\nAll changes.\n\n## [1.3.0] - 2026-11-01\n\n- old\n",
            "# Changelog\n\nAll changes.\n\n## [1.4.0] - 2026-11-26\n\n{}\n\n## [1.3.0] - 2026-11-01\n\n- old\n",
        ),
        (
            "# Changelog\n\n## [Unreleased]\n\n- soon\n\n## v1.3.0\n\n- old\n",
            "# Changelog\n\n## [Unreleased]\n\n- soon\n\n## v1.4.0 - 2026-11-26\n\n{}\n\n## v1.3.0\n\n- old\n",
        ),
        (
            "# Changelog\n\n## [Unreleased]\n\n- soon\n\n[unreleased]: https://x\n",
            "# Changelog\n\n## [Unreleased]\n\n- soon\n\n## [1.4.0] - 2026-11-26\n\n{}\n\n[unreleased]: https://x\n",
        ),
        (
            "# News\n\n```\n## [1.4.0]\n```\n\n## 0.1.0 (first)\n",
            "# News\n\n```\n## [1.4.0]\n```\n\n## 1.4.0 - 2026-11-26\n\n{}\n\n## 0.1.0 (first)\n",
        ),
        ("# A\r\n\r\n## 1.0.0\r\n", "# A\r\n\r\n## 1.4.0 - 2026-11-26\r\n\r\n{}\r\n\r\n## 1.0.0\r\n"),
    ],
)
def test_where_it_goes(before: str, after: str) -> None:
    assert put(before) == after.format(ENTRY)


@pytest.mark.parametrize(
    "heading", ["## [1.4.0] - 2026-01-01", "## v1.4.0", "## 1.4.0", "## [v1.4.0](https://x)"]
)
def test_a_version_that_has_its_entry(heading: str) -> None:
    assert put(f"# Changelog\n\n{heading}\n") is None


def test_another_version_of_the_same_beginning_has_none() -> None:
    assert put("# Changelog\n\n## [1.4.0-rc.1]\n") is not None
    assert put("# Changelog\n\n## [1.4.01]\n") is not None


@given(st.text(alphabet="#[]v1.40 \n-ax", max_size=80))
def test_it_is_put_in_once_and_nothing_is_lost(text: str) -> None:
    made = put(text)
    if made is None:
        return
    assert put(made) is None
    kept = [line for line in text.split("\n") if line.strip()]
    assert [line for line in kept if line not in made.split("\n")] == []


def test_the_branch() -> None:
    assert branch_of("v1.4.0") == "sluice/changelog-v1.4.0"
