"""The section `pull_requests`: what may be asked for, and what would lead to production without a person."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.pipeline import Pipeline, PipelineError, load_pipeline
from blocks.pipeline.towards import auto_merge_refusal, find_pull_request_conflicts

ENVIRONMENTS = """
environments:
  feature: {hosts: feature, branches: feature/*}
  staging: {hosts: staging, branches: [staging, release/*]}
  prod: {hosts: prod, tags: v*, approvals: {approvers: ana}}
"""


def loaded(section: str, environments: str = ENVIRONMENTS) -> Pipeline:
    return load_pipeline(f"pipeline: shop\npull_requests:\n{section}\n{environments}")


def problems(section: str, environments: str = ENVIRONMENTS) -> list[str]:
    with pytest.raises(PipelineError) as told:
        loaded(section, environments)
    return [str(problem).partition(": ")[2] for problem in told.value.problems]


def test_nothing_happens_by_itself_without_it() -> None:
    section = load_pipeline(f"pipeline: shop\n{ENVIRONMENTS}").pull_requests
    assert (section.open, section.auto_merge, section.revert_after_rollback) == ((), (), ())


def test_each_part_has_few_words() -> None:
    section = loaded(
        "  open: [{branches: feature/*, into: staging}]\n"
        "  auto_merge: [{into: staging, authors: ana, paths: docs/**}]\n"
        "  revert_after_rollback: prod"
    ).pull_requests
    (opened,), (merged,) = section.open, section.auto_merge
    assert (opened.branches, opened.into, opened.draft, opened.title) == (
        ("feature/*",),
        "staging",
        False,
        None,
    )
    assert (merged.authors, merged.paths, merged.method, merged.approve) == (
        ("ana",),
        ("docs/**",),
        "squash",
        False,
    )
    assert section.revert_after_rollback == ("prod",)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("  open: [{branches: feature/*}]", "pull_requests.open[0].into: required key is missing"),
        ("  open: [{branches: feature/*, into: 'a b'}]", "expected the name of one branch"),
        (
            "  open: [{branches: [feature/*, main], into: main}]",
            'pull_requests.open[0].into: "main" is among its own branches',
        ),
        ("  auto_merge: [{into: staging, authors: ana}]", "auto_merge[0].paths: required key is missing"),
        ("  auto_merge: [{into: staging, paths: a, authors: []}]", "authors: expected at least one entry"),
        ("  auto_merge: [{into: staging, paths: a, authors: 'x[bot]'}]", "bots start nothing"),
        ("  auto_merge: [{into: staging, authors: ana, paths: /etc}]", "expected a path or pattern"),
        ("  auto_merge: [{into: staging, authors: ana, paths: docs/../a}]", "expected a path or pattern"),
        ("  auto_merge: [{into: staging, authors: ana, paths: docs/}]", "expected a path or pattern"),
        ("  auto_merge: [{into: staging, authors: ana, paths: a, method: fast}]", "merge, squash, rebase"),
        ("  auto_merge: [{into: staging, authors: ana, paths: a, aprove: true}]", 'did you mean "approve"?'),
        ("  revert_after_rollback: [prd]", 'revert_after_rollback[0]: expected an environment, got "prd"'),
        ("  revert_after_rollback: prd", 'revert_after_rollback: expected an environment, got "prd"'),
    ],
)
def test_what_is_wrong_is_told(section: str, said: str) -> None:
    assert any(said in line for line in problems(section))


AUTO = "  auto_merge: [{into: BRANCH, authors: ana, paths: docs/**}]"


@pytest.mark.parametrize(
    ("branch", "prod", "said"),
    [
        ("main", "{hosts: prod, branches: main}", "may enter prod, which is the last environment"),
        ("main", "{hosts: prod, branches: ma*}", "may enter prod, which is the last environment"),
        ("release/1", "{hosts: prod, branches: release/*, approvals: {approvers: ana}}", "may enter prod"),
        (
            "hotfix/x",
            "{hosts: prod, tags: v*, approvals: {approvers: [ana, ben]}, gates: {hotfix: {}}}",
            "may enter prod",
        ),
        (
            "urgent",
            "{hosts: prod, tags: v*, approvals: {approvers: [a, b]}, gates: {hotfix: {branches: [urgent]}}}",
            "may enter prod",
        ),
        ("main", "{hosts: prod, tags: v*}", 'prod takes tags of "main" and asks nobody'),
        ("main", "{hosts: prod, tags: v*, gates: {reachable_from: main}}", "asks nobody"),
        ("main", "{hosts: prod, tags: v*, gates: {reachable_from: stable}}", ""),
        ("main", "{hosts: prod, tags: v*, approvals: {approvers: ana}}", ""),
        ("main", "{hosts: prod, tags: v*, approvals: {approvers: ana}, gates: {reachable_from: main}}", ""),
    ],
)
def test_nothing_is_merged_towards_production(branch: str, prod: str, said: str) -> None:
    environments = f"environments:\n  staging: {{hosts: staging, branches: main}}\n  prod: {prod}\n"
    section = AUTO.replace("BRANCH", branch)
    if not said:
        assert loaded(section, environments).pull_requests.auto_merge[0].into == branch
        return
    (line,) = problems(section, environments)
    assert line.startswith("pull_requests.auto_merge[0].into: ")
    assert said in line


def test_an_environment_that_asks_people_is_guarded_wherever_it_stands() -> None:
    environments = (
        "environments:\n"
        "  staging: {hosts: staging, branches: main, approvals: {approvers: ana}}\n"
        "  prod: {hosts: prod, tags: v*, approvals: {approvers: ana}}\n"
    )
    (line,) = problems(AUTO.replace("BRANCH", "main"), environments)
    assert '"main" may enter staging, which asks for approvals' in line


def test_an_environment_before_the_last_is_not() -> None:
    assert loaded(AUTO.replace("BRANCH", "staging")).pull_requests.auto_merge


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"open": None, "auto_merge": 3, "revert_after_rollback": None},
        {"open": [1, {"into": 2}], "auto_merge": ["x", {}], "revert_after_rollback": [4]},
    ],
)
def test_what_is_of_another_type_is_left_to_the_model(section: dict[str, Any]) -> None:
    assert list(find_pull_request_conflicts(section, {"prod": 5})) == []


def test_without_environments_nothing_is_known() -> None:
    assert auto_merge_refusal("main", {}) == ""
