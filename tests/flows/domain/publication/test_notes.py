"""A release's notes: what came in, what it is made of, what it did to the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from semver import Version

from blocks.values.github import PullRequestFact
from blocks.values.publication import ReleaseWish
from blocks.values.releases import Revision
from blocks.values.schema_changes import MigrationVerdict, Risk
from flows.domain.publication.notes import change_lines, release_wish, version_tag
from tests.flows.domain.database.evidence_samples import rehearsal
from tests.tasks.ledger.samples import make_commit, make_plan, make_release

SINCE = datetime(2026, 11, 26, 8, 5, tzinfo=UTC)


def pull(number: int, **changes: Any) -> PullRequestFact:
    values: dict[str, Any] = {
        "number": number,
        "author": "ada",
        "head": "a" * 40,
        "base": "main",
        "title": f"Change {number}",
    }
    return PullRequestFact(**values | changes)


@pytest.mark.parametrize(
    ("ref", "tags", "patterns", "found"),
    [
        ("v1.0.0", ("v1.0.0", "v1.1.0"), ("v*",), "v1.0.0"),
        ("refs/tags/v1.0.0", ("v1.0.0", "v1.1.0"), ("v*",), "v1.0.0"),
        ("main", ("v1.9.0", "v1.10.0", "v1.10.0-rc.1"), ("v*",), "v1.10.0"),
        ("shop-v2.0.0", ("shop-v2.0.0",), ("shop-v*",), "shop-v2.0.0"),
        ("v1.0.0", (), ("v*",), None),
        ("main", ("nightly", "v1"), ("*",), None),
    ],
)
def test_which_version_came(
    ref: str, tags: tuple[str, ...], patterns: tuple[str, ...], found: str | None
) -> None:
    tag = version_tag(ref, tags, patterns)
    assert (tag[0] if tag else None) == found


def test_pull_requests_are_listed_newest_first() -> None:
    lines = change_lines([pull(3), pull(12, title="Fixes #5 for @ana"), pull(7, author="", title="")], [])
    assert lines == [
        "- Fixes #<!-- -->5 for \\@<!-- -->ana (#12, ada)",
        "- no title (#7)",
        "- Change 3 (#3, ada)",
    ]
    assert len(change_lines([pull(number) for number in range(1, 61)], [])) == 51
    assert change_lines([pull(number) for number in range(1, 61)], [])[-1] == "- … and 10 more"


def test_commits_where_nothing_came_by_pull_request() -> None:
    (line,) = change_lines([], [make_commit("orders")])
    assert line == f"- Add orders: größer ({make_commit('orders').short})"


def wish(**changes: Any) -> ReleaseWish:
    values: dict[str, Any] = {
        "environment": "prod",
        "since": SINCE,
        "before": "v1.3.0",
        "pulls": [pull(12)],
        "plan": make_plan("a"),
    }
    return release_wish("v1.4.0", Version.parse("1.4.0"), make_release("a"), **values | changes)


def test_the_notes() -> None:
    made = wish()
    assert (made.tag, made.name, made.prerelease) == ("v1.4.0", "v1.4.0", False)
    lines = made.body.splitlines()
    assert lines[1] == f"Runs in prod since 2026-11-26 08:05 UTC, release `{make_release('a').id}`."
    assert lines[3:6] == ["## Changes since v1.3.0", "", "- Change 12 (#12, ada)"]
    assert lines[7:10] == ["## Migrations", "", "None."]
    digest = make_release("a").images[0].digest
    assert f"| `backend` | `registry.example/shop/backend` | {digest} |" in lines


def test_the_verdict_on_migrations_and_its_proof() -> None:
    plan = make_plan(
        "a",
        pending=(Revision(id="a1", message="add orders"),),
        verdicts=(MigrationVerdict(revision="a1", risk=Risk.ADDITIVE),),
    )
    body = wish(plan=plan).body
    assert "| `a1` | add orders | 🟢 additive |" in body
    assert "restored copy" not in body
    proven = wish(plan=plan.model_copy(update={"rehearsal": rehearsal()})).body
    assert "They were run on a restored copy of the database first." in proven


def test_a_first_release_without_plan_or_images() -> None:
    made = release_wish(
        "v1.0.0-rc.1",
        Version.parse("1.0.0-rc.1"),
        make_release("a", images=()),
        environment="prod",
        since=SINCE,
        before="",
        pulls=[],
        plan=None,
    )
    assert made.prerelease
    assert "## Changes\n\n- Add a: größer" in made.body
    assert "Images" not in made.body
    assert "Migrations" not in made.body
