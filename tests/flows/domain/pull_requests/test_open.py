"""Which pull requests a pushed branch gets, and what stands in them."""

from __future__ import annotations

from datetime import UTC, datetime

from blocks.pipeline import OpenRule
from blocks.values.releases import Commit
from flows.domain.pull_requests.open import rules_for, wanted_pull

RULE = OpenRule(branches=("feature/*",), into="staging")


def commit(subject: str, number: int = 1) -> Commit:
    return Commit(
        sha=f"{number:040x}",
        subject=subject,
        author_name="Ana",
        author_email="ana@example.com",
        committed_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


def test_the_first_rule_for_each_branch_it_goes_into() -> None:
    other = RULE.model_copy(update={"draft": True})
    main = OpenRule(branches=("*",), into="main")
    assert rules_for("feature/cents", [RULE, other, main]) == (RULE, main)
    assert rules_for("fix/cents", [RULE]) == ()
    assert rules_for("main", [main]) == ()


def test_what_stands_in_it() -> None:
    found = wanted_pull("feature/cents", RULE, [commit("Prices in cents; fixes #4"), commit("", 2)], "ana")
    assert found is not None
    assert (found.head, found.base, found.draft) == ("feature/cents", "staging", False)
    assert found.title == "Prices in cents; fixes #4"
    assert found.body.splitlines()[:4] == [
        "Opened because `feature/cents` was pushed by `ana`.",
        "",
        "- `0000000` `Prices in cents; fixes #4`",
        "- `0000000`",
    ]


def test_who_pushed_is_not_known() -> None:
    found = wanted_pull("feature/cents", RULE, [commit("Prices")], "")
    assert found is not None
    assert found.body.startswith("Opened because `feature/cents` was pushed.")


def test_a_title_of_the_teams_own() -> None:
    rule = RULE.model_copy(update={"title": "{branch} → {into}"})
    found = wanted_pull("feature/x", rule, [commit("Prices")], "ana")
    assert found is not None
    assert found.title == "feature/x → staging"
    # A branch's name is put in once: what it is called fills in nothing more.
    found = wanted_pull("feature/{into}", rule, [commit("Prices")], "ana")
    assert found is not None
    assert found.title == "feature/{into} → staging"


def test_a_commit_without_a_subject() -> None:
    found = wanted_pull("feature/x", RULE, [commit(" ")], "ana")
    assert found is not None
    assert found.title == "feature/x"


def test_many_commits_are_counted() -> None:
    found = wanted_pull("feature/x", RULE, [commit("One", n) for n in range(40)], "ana")
    assert found is not None
    assert "- and 10 more" in found.body


def test_nothing_to_bring() -> None:
    assert wanted_pull("feature/x", RULE, [], "ana") is None
