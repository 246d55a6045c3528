"""The section `protect`: GitHub's own terms, and what GitHub could not hold is refused with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blocks.pipeline import PipelineError, Protect, load_pipeline
from tests.blocks.pipeline.texts import SMALLEST


def protect(text: str) -> Protect:
    return load_pipeline(f"{SMALLEST}protect: {text}\n").protect


def test_without_it_nothing_is_asked_for() -> None:
    assert load_pipeline(SMALLEST).protect == Protect()
    assert (Protect().branches, Protect().environments, Protect().relax) == ({}, {}, None)


def test_a_branch_that_is_only_named_takes_pull_requests_and_is_not_rewritten() -> None:
    main = protect("{branches: {main: {}}}").branches["main"]
    assert main.required_pull_request_reviews is not None
    assert main.required_pull_request_reviews.required_approving_review_count == 1
    assert (main.allow_force_pushes, main.allow_deletions, main.required_status_checks) == (
        False,
        False,
        None,
    )


def test_it_decides_about_no_environment() -> None:
    plain, more = load_pipeline(SMALLEST), load_pipeline(f"{SMALLEST}protect: {{branches: {{main: {{}}}}}}\n")
    assert plain.policy("prod").checksum == more.policy("prod").checksum


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{branches: {'feature/*': {}}}", "expected the name of one branch"),
        (
            "{branches: {main: {required_pull_request_reviews: {required_approving_review_count: 7}}}}",
            "expected at most 6",
        ),
        ("{branches: {main: {required_status_checks: {checks: []}}}}", "required_status_checks.checks"),
        ("{branches: {main: {enforce_admin: true}}}", 'did you mean "enforce_admins"?'),
        ("{environments: {prod: {wait_timer: 90s}}}", "GitHub counts whole minutes — write 5m, not 90s"),
        ("{environments: {prod: {wait_timer: 31d}}}", "expected at most 30d"),
        ("{environments: {prod: {reviewers: ['@ana']}}}", "expected a GitHub login, or a team as owner/team"),
        ("{environments: {prod: {reviewers: [a, b, c, d, e, f, g]}}}", "at most 6 items"),
        ("{environments: {prod: {prevent_self_review: true}}}", "nobody reviews — add reviewers"),
        (
            "{environments: {prod: {protected_branches: true, deployment_tags: v*}}}",
            "GitHub takes either protected branches or a list — remove one",
        ),
        ("{relax: {approvers: [ana], required: 2}}", "expected at most the number of approvers (1), got 2"),
        ("{relax: {approvers: [ana], at_most: 25h}}", "expected at most 1d"),
        ("{relax: {approvers: []}}", "relax.approvers"),
    ],
)
def test_what_cannot_hold_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(PipelineError) as raised:
        protect(text)
    assert said in str(raised.value)
    assert "pipeline.yaml:6: protect" in str(raised.value)


def test_one_entry_needs_no_list_and_an_environment_on_github_has_any_name() -> None:
    found = protect("{environments: {'Production EU': {reviewers: acme/ops, deployment_tags: v*}}}")
    environment = found.environments["Production EU"]
    assert environment.reviewers == ("acme/ops",)
    assert environment.deployment_tags == ("v*",)


def test_the_example_of_the_page_is_valid() -> None:
    page = (Path(__file__).parents[3] / "docs" / "protection.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    found = load_pipeline(SMALLEST + example).protect
    assert found.environments["prod"].wait_timer == 1800
    assert found.relax is not None
