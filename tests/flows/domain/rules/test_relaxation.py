"""What is relaxed is one rule, and putting it back leaves nothing open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.pipeline import Protect, load_pipeline
from blocks.values.github import RequiredCheck
from blocks.values.rules import BranchProtection, BranchRules, ReviewRules, StatusRules
from flows.domain.approvals.values import ApprovalPolicy
from flows.domain.rules.relaxation import (
    cannot_relax,
    is_back,
    policy_of_relaxing,
    put_back,
    refusal,
    relaxed_protection,
    request_hash,
)
from flows.domain.rules.rules import BY_NAME, OPEN, RULES, reaches
from tests.blocks.pipeline.texts import SMALLEST
from tests.flows.domain.rules.values import protections

rules = st.sampled_from([rule.name for rule in RULES])


def protect(relax: str = "{approvers: [ana, ben], at_most: 1h}") -> Protect:
    text = f"protect: {{branches: {{main: {{enforce_admins: true}}}}, relax: {relax}}}\n"
    return load_pipeline(SMALLEST + text).protect


@settings(max_examples=500)
@given(before=protections, name=rules)
def test_relaxed_and_put_back_is_as_it_was(before: BranchProtection, name: str) -> None:
    rule = BY_NAME[name]
    relaxed = relaxed_protection(before, name)
    assert rule.read(relaxed) == rule.open
    assert put_back(relaxed, before, name) == before
    assert is_back(before, before, name)
    assert is_back(relaxed, before, name) == (relaxed == before)


@settings(max_examples=500)
@given(before=protections, now=st.none() | protections, name=rules)
def test_put_back_is_as_strict_as_before_and_loosens_nothing_that_came_since(
    before: BranchProtection, now: BranchProtection | None, name: str
) -> None:
    back = put_back(now, before, name)
    for rule in RULES:
        assert reaches(rule, rule.read(back), rule.read(now or OPEN)), rule.name
    assert reaches(BY_NAME[name], BY_NAME[name].read(back), BY_NAME[name].read(before))
    assert put_back(back, before, name) == back
    assert is_back(back, before, name)


def test_two_rules_relaxed_one_inside_of_the_other_are_both_back() -> None:
    count, pulls = "required_approving_review_count", "required_pull_request_reviews"
    whole = BranchProtection(
        required_pull_request_reviews=ReviewRules(
            required_approving_review_count=2, dismiss_stale_reviews=True
        )
    )
    first = relaxed_protection(whole, count)
    second = relaxed_protection(first, pulls)
    assert put_back(put_back(second, first, pulls), whole, count) == whole
    assert put_back(put_back(second, whole, count), first, pulls) == whole


def test_checks_come_back_with_their_apps() -> None:
    before = BranchProtection(
        required_status_checks=StatusRules(strict=True, checks=(RequiredCheck(name="test", app_id=7),))
    )
    relaxed = relaxed_protection(before, "required_status_checks")
    assert relaxed.required_status_checks == StatusRules(strict=True)
    relaxed = relaxed_protection(relaxed, "strict")
    assert relaxed.required_status_checks is None
    assert put_back(relaxed, before, "required_status_checks") == before


@pytest.mark.parametrize(
    ("branch", "rule", "seconds", "reason", "said"),
    [
        ("dev", "enforce_admins", 60, "why", "dev is no branch under protect — branches there are: main"),
        (
            "main",
            "strict",
            60,
            "why",
            "the pipeline asks for no rule strict on main — rules there are: required_pull_request_reviews, "
            "required_approving_review_count, enforce_admins, allow_force_pushes, allow_deletions",
        ),
        (
            "main",
            "enforce_admins",
            3601,
            "why",
            "a rule may be relaxed for 1h at most, not for 1 h — ask for less, or raise protect.relax.at_most",
        ),
        (
            "main",
            "enforce_admins",
            0,
            "why",
            "a rule may be relaxed for 1h at most, not for 0.0 s — ask for less, or raise protect.relax.at_most",
        ),
        ("main", "enforce_admins", 60, " ", "the reason for relaxing the rule is missing — give a reason"),
        ("main", "enforce_admins", 3600, "why", ""),
    ],
)
def test_what_may_be_asked_for(branch: str, rule: str, seconds: float, reason: str, said: str) -> None:
    assert refusal(protect(), branch, rule, seconds, reason) == said


def test_nobody_may_relax_where_nobody_is_named() -> None:
    assert refusal(protect("null"), "main", "enforce_admins", 60, "why") == (
        "nobody is allowed to relax a rule — name people under protect.relax.approvers in pipeline.yaml"
    )
    assert policy_of_relaxing(protect("null")).approvers == ()
    assert policy_of_relaxing(protect("null")).required == 1


def test_who_may_relax() -> None:
    policy = policy_of_relaxing(protect("{approvers: [ana, ben], required: 2, expires: 30m}"))
    assert (policy.required, policy.approvers) == (2, ("ana", "ben"))
    assert (policy.exclude_author, policy.exclude_requester) == (False, False)
    assert policy.expires_after == timedelta(minutes=30)


def test_only_what_a_protection_enforces_can_be_relaxed() -> None:
    found = BranchRules(branch="main", protection=BranchProtection(enforce_admins=True))
    assert cannot_relax(found, "enforce_admins") == ""
    assert cannot_relax(found, "strict") == "strict is not in force on main — there is nothing to relax"
    assert "there is nothing to relax" in cannot_relax(BranchRules(branch="main"), "enforce_admins")
    ruled = found.model_copy(update={"rulesets": OPEN.model_copy(update={"allow_deletions": False})})
    assert cannot_relax(ruled, "allow_deletions") == (
        "a ruleset enforces allow_deletions on main — change the ruleset, or add a bypass, on GitHub"
    )
    assert cannot_relax(ruled, "enforce_admins") == ""


def test_another_request_has_another_hash() -> None:
    def hashed(**changes: Any) -> str:
        asked: dict[str, Any] = {
            "number": 1,
            "repository": "r",
            "branch": "main",
            "rule": "strict",
            "seconds": 60,
            "reason": "x",
        }
        return request_hash(**(asked | {"requested_by": "cleo", "policy": ApprovalPolicy()} | changes))

    others = [hashed(number=2), hashed(reason="y"), hashed(rule="z"), hashed(requested_by="ana")]
    policies = [hashed(policy=ApprovalPolicy(required=2)), hashed(policy=ApprovalPolicy(approvers=("ben",)))]
    assert len({hashed(), *others, *policies}) == 7
    assert hashed() == hashed()
