"""What differs, and what is written: nothing on GitHub gets looser by it, and nothing gets lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.pipeline import BranchProtect, EnvironmentProtect, Protect, load_pipeline
from blocks.values.github import RequiredCheck
from blocks.values.rules import (
    AUTOMATIC,
    BranchProtection,
    BranchRules,
    DeploymentRef,
    EnvironmentRules,
    Reviewer,
    ReviewRules,
    RulesFound,
    StatusRules,
)
from flows.domain.rules.difference import (
    RuleState,
    branch_lines,
    compare_rules,
    environment_lines,
    guarded,
    raised,
)
from flows.domain.rules.rules import OPEN, RULES, reaches, wanted_rules
from tests.blocks.pipeline.texts import SMALLEST
from tests.flows.domain.rules.values import NAMES, protections

protects = st.builds(
    BranchProtect.model_validate,
    st.fixed_dictionaries(
        {
            "required_pull_request_reviews": st.none()
            | st.fixed_dictionaries(
                {
                    "required_approving_review_count": st.integers(0, 6),
                    "dismiss_stale_reviews": st.booleans(),
                    "require_code_owner_reviews": st.booleans(),
                    "require_last_push_approval": st.booleans(),
                }
            ),
            "required_status_checks": st.none()
            | st.fixed_dictionaries(
                {
                    "checks": st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
                    "strict": st.booleans(),
                }
            ),
            "enforce_admins": st.booleans(),
            "required_linear_history": st.booleans(),
            "required_conversation_resolution": st.booleans(),
            "allow_force_pushes": st.booleans(),
            "allow_deletions": st.booleans(),
        }
    ),
)
founds = st.builds(
    BranchRules,
    branch=st.just("main"),
    protection=st.none() | protections,
    rulesets=st.none() | protections,
)
relaxations = st.frozensets(st.sampled_from([rule.name for rule in RULES]), max_size=3)


def protect(text: str) -> Protect:
    return load_pipeline(SMALLEST + f"protect: {text}\n").protect


def states(found: BranchRules, wanted: BranchProtect, **more: Any) -> dict[str, tuple[str, RuleState]]:
    return {line.rule: (line.change, line.state) for line in branch_lines(found, wanted, **more)}


@settings(max_examples=300)
@given(found=founds, wanted=protects, relaxed=relaxations)
def test_writing_what_is_missing_loosens_nothing_and_is_enough(
    found: BranchRules, wanted: BranchProtect, relaxed: frozenset[str]
) -> None:
    target = raised(found, wanted, relaxed)
    lines = branch_lines(found, wanted, relaxed)
    assert (target is None) == all(line.state is not RuleState.MISSING for line in lines)
    if target is None:
        return
    before = found.protection or OPEN
    for rule in RULES:
        assert reaches(rule, rule.read(target), rule.read(before)), rule.name
    kept = ("restrictions", "block_creations", "lock_branch", "allow_fork_syncing", "required_signatures")
    default = found.protection or BranchProtection()
    assert all(getattr(target, name) == getattr(default, name) for name in kept)
    if before.required_pull_request_reviews and target.required_pull_request_reviews:
        old, new = before.required_pull_request_reviews, target.required_pull_request_reviews
        assert new.dismissal_restrictions == old.dismissal_restrictions
        assert new.bypass_pull_request_allowances == old.bypass_pull_request_allowances
    apps = {check.name: check.app_id for check in before.checks}
    assert all(check.app_id == apps[check.name] for check in target.checks if check.name in apps)
    after = found.model_copy(update={"protection": target})
    assert raised(after, wanted, relaxed) is None


@settings(max_examples=300)
@given(found=founds, wanted=protects)
def test_every_rule_that_is_asked_for_has_its_line(found: BranchRules, wanted: BranchProtect) -> None:
    lines = branch_lines(found, wanted)
    assert [line.rule for line in lines] == list(wanted_rules(wanted))
    assert RuleState.RELAXED not in {line.state for line in lines}


def test_a_branch_that_is_only_named_has_what_the_protection_gate_asks_for() -> None:
    wanted = protect("{branches: {main: {}}}").branches["main"]
    assert states(BranchRules(branch="main"), wanted) == {
        "required_pull_request_reviews": ("false → true", RuleState.MISSING),
        "required_approving_review_count": ("0 → 1", RuleState.MISSING),
        "allow_force_pushes": ("true → false", RuleState.MISSING),
        "allow_deletions": ("true → false", RuleState.MISSING),
    }
    assert raised(BranchRules(branch="main"), wanted) == BranchProtection(
        required_pull_request_reviews=ReviewRules(required_approving_review_count=1)
    )


def test_what_nobody_asks_for_is_not_forbidden_by_the_way() -> None:
    wanted = protect("{branches: {main: {allow_force_pushes: true, allow_deletions: true}}}").branches["main"]
    target = raised(BranchRules(branch="main"), wanted)
    assert target is not None
    assert (target.allow_force_pushes, target.allow_deletions) == (True, True)
    nothing = protect(
        "{branches: {main: {required_pull_request_reviews: null, allow_force_pushes: true, allow_deletions: true}}}"
    ).branches["main"]
    assert branch_lines(BranchRules(branch="main"), nothing) == ()


def test_each_state_is_said() -> None:
    wanted = protect(
        "{branches: {main: {required_pull_request_reviews: {required_approving_review_count: 2}, "
        "required_status_checks: {checks: [build, test], strict: true}, enforce_admins: true, "
        "required_linear_history: true}}}"
    ).branches["main"]
    found = BranchRules(
        branch="main",
        protection=BranchProtection(
            required_pull_request_reviews=ReviewRules(required_approving_review_count=3),
            required_status_checks=StatusRules(checks=(RequiredCheck(name="lint", app_id=7),)),
        ),
        rulesets=OPEN.model_copy(
            update={
                "required_linear_history": True,
                "required_status_checks": StatusRules(checks=(RequiredCheck(name="test"),)),
            }
        ),
    )
    assert states(found, wanted, relaxed={"enforce_admins"}) == {
        "required_pull_request_reviews": ("true", RuleState.IN_FORCE),
        "required_approving_review_count": ("3", RuleState.STRICTER),
        "required_status_checks": ("lint, test → lint, test, build", RuleState.MISSING),
        "strict": ("false → true", RuleState.MISSING),
        "enforce_admins": ("false", RuleState.RELAXED),
        "required_linear_history": ("true", RuleState.RULESET),
        "allow_force_pushes": ("false", RuleState.IN_FORCE),
        "allow_deletions": ("false", RuleState.IN_FORCE),
    }
    target = raised(found, wanted, {"enforce_admins"})
    assert target is not None
    # `test` is required by a ruleset already; GitHub chooses the app of `build`.
    assert target.required_status_checks == StatusRules(
        strict=True,
        checks=(RequiredCheck(name="build", app_id=AUTOMATIC), RequiredCheck(name="lint", app_id=7)),
    )
    assert (target.enforce_admins, target.required_linear_history) == (False, False)


def test_pull_requests_that_are_relaxed_take_what_they_need_with_them() -> None:
    wanted = protect("{branches: {main: {}}}").branches["main"]
    found = BranchRules(branch="main", protection=BranchProtection())
    assert {line.state for line in branch_lines(found, wanted, {"required_pull_request_reviews"})} == {
        RuleState.RELAXED,
        RuleState.IN_FORCE,
    }
    assert raised(found, wanted, {"required_pull_request_reviews"}) is None


# -- environments -----------------------------------------------------------------------------------------------------


PROD = protect(
    "{environments: {prod: {reviewers: [ana, acme/ops], wait_timer: 30m, prevent_self_review: true, "
    "deployment_branches: main, deployment_tags: v*}}}"
).environments["prod"]


def test_an_environment_that_is_not_there_is_made() -> None:
    nothing = EnvironmentRules(name="prod", there=False)
    assert [(line.rule, line.change) for line in environment_lines(nothing, PROD)] == [
        ("exists", "no → yes"),
        ("reviewers", "nobody → acme/ops, ana"),
        ("prevent_self_review", "false → true"),
        ("deployment_branch_policy", "any branch → branch main, tag v*"),
        ("wait_timer", "0 min → 30 min"),
    ]
    wanted = guarded(nothing, PROD)
    assert wanted == EnvironmentRules(
        name="prod",
        reviewers=(Reviewer(kind="User", name="ana"), Reviewer(kind="Team", name="acme/ops")),
        wait_minutes=30,
        prevent_self_review=True,
        refs="listed",
        patterns=(DeploymentRef(name="main"), DeploymentRef(kind="tag", name="v*")),
    )
    assert {line.state for line in environment_lines(wanted, PROD)} == {RuleState.IN_FORCE}


def test_who_may_review_is_taken_as_written_and_the_rest_never_gets_less() -> None:
    found = EnvironmentRules(
        name="prod",
        reviewers=(Reviewer(kind="User", name="Ana", number=3), Reviewer(kind="User", name="eve", number=4)),
        wait_minutes=60,
        prevent_self_review=True,
        refs="protected",
        can_admins_bypass=False,
    )
    wanted = EnvironmentProtect(reviewers=("ana", "ben"), wait_timer=1800.0)
    lines = {line.rule: (line.change, line.state) for line in environment_lines(found, wanted)}
    assert lines == {
        "exists": ("yes", RuleState.IN_FORCE),
        "reviewers": ("Ana, eve → Ana, ben", RuleState.MISSING),
        "wait_timer": ("60 min", RuleState.STRICTER),
    }
    assert guarded(found, wanted) == found.model_copy(
        update={
            "reviewers": (
                Reviewer(kind="User", name="Ana", number=3),
                Reviewer(kind="User", name="ben"),
            )
        }
    )


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (EnvironmentRules(name="prod"), "any branch"),
        (EnvironmentRules(name="prod", refs="listed"), "no branch"),
        (EnvironmentRules(name="prod", refs="listed", patterns=(DeploymentRef(name="x"),)), "branch x"),
    ],
)
def test_only_protected_branches(found: EnvironmentRules, shown: str) -> None:
    wanted = EnvironmentProtect(protected_branches=True)
    assert [line.change for line in environment_lines(found, wanted)] == [
        "yes",
        f"{shown} → protected branches",
    ]
    after = guarded(found, wanted)
    assert (after.refs, after.patterns) == ("protected", ())
    assert {line.state for line in environment_lines(after, wanted)} == {RuleState.IN_FORCE}


def test_nothing_asked_for_changes_nothing() -> None:
    found = EnvironmentRules(name="prod", refs="protected", wait_minutes=5)
    assert [line.change for line in environment_lines(found, EnvironmentProtect())] == ["yes"]
    assert guarded(found, EnvironmentProtect()) == found


def test_everything_is_compared() -> None:
    wanted = protect("{branches: {main: {}}, environments: {prod: {wait_timer: 5m}}}")
    found = RulesFound(
        branches=(BranchRules(branch="main", protection=BranchProtection()),),
        environments=(EnvironmentRules(name="prod"),),
    )
    lines = compare_rules(wanted, found, {"main": frozenset({"required_pull_request_reviews"})})
    assert [(line.place, line.rule) for line in lines if line.state is RuleState.MISSING] == [
        ("environment prod", "wait_timer")
    ]
