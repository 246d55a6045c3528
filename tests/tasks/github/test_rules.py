"""GitHub's rules over real HTTP against the fake: what is read is written back whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.values.github import RequiredCheck
from blocks.values.rules import (
    AUTOMATIC,
    Actors,
    BranchProtection,
    DeploymentRef,
    EnvironmentRules,
    Reviewer,
    ReviewRules,
    StatusRules,
)
from tasks.github.client import GitHubClient, log_in
from tasks.github.refusals import ChangeRefusedError, NotThereError
from tasks.github.rules import GitHubRules
from tasks.kernel.errors import TerminalError
from tests.fakes.github import REPOSITORY, TOKEN, FakeGitHub, shapes

EVERYTHING = BranchProtection(
    required_status_checks=StatusRules(
        strict=True,
        checks=(RequiredCheck(name="any"), RequiredCheck(name="test", app_id=15368)),
    ),
    required_pull_request_reviews=ReviewRules(
        required_approving_review_count=2,
        dismiss_stale_reviews=True,
        require_code_owner_reviews=True,
        require_last_push_approval=True,
        dismissal_restrictions=Actors(users=("ana",), teams=("ops",), apps=("bot",)),
        bypass_pull_request_allowances=Actors(apps=("release-bot",)),
    ),
    restrictions=Actors(users=("ana", "ben"), teams=("ops",)),
    enforce_admins=True,
    required_linear_history=True,
    required_conversation_resolution=True,
    allow_force_pushes=True,
    allow_deletions=True,
    block_creations=True,
    lock_branch=True,
    allow_fork_syncing=True,
)


@pytest.fixture(autouse=True)
def _known(github: FakeGitHub) -> None:
    github.branches |= {"main": None, "release/1": None}


@pytest.fixture
def rules(github: FakeGitHub) -> Iterator[GitHubRules]:
    client = GitHubClient(REPOSITORY, log_in(TOKEN), github.base)
    yield GitHubRules(client)
    client.close()


def test_a_branch_without_rules(rules: GitHubRules) -> None:
    found = rules.branch("main")
    assert (found.branch, found.protection, found.rulesets) == ("main", None, None)


@pytest.mark.parametrize("protection", [EVERYTHING, BranchProtection()])
def test_what_is_written_is_read_back_whole(rules: GitHubRules, protection: BranchProtection) -> None:
    rules.protect("release/1", protection)
    assert rules.branch("release/1").protection == protection
    again = rules.branch("release/1").protection
    assert again is not None
    rules.protect("release/1", again)
    assert rules.branch("release/1").protection == protection


def test_github_chooses_the_app_of_a_new_check(rules: GitHubRules, github: FakeGitHub) -> None:
    github.ruling.reporters["test"] = 77
    wanted = BranchProtection(
        required_status_checks=StatusRules(checks=(RequiredCheck(name="test", app_id=AUTOMATIC),))
    )
    rules.protect("main", wanted)
    found = rules.branch("main").protection
    assert found is not None
    assert found.checks == (RequiredCheck(name="test", app_id=77),)
    assert found.agrees(wanted)
    assert not BranchProtection().agrees(wanted)


def test_signing_stays_required_though_the_request_has_no_place_for_it(
    rules: GitHubRules, github: FakeGitHub
) -> None:
    github.branches["main"] = shapes.protection() | {"required_signatures": {"url": "", "enabled": True}}
    found = rules.branch("main").protection
    assert found is not None
    rules.protect("main", found)
    assert rules.branch("main").protection == found
    # A server that loses it in between.
    github.branches["main"] = shapes.protection()
    rules.protect("main", found)
    assert rules.branch("main").protection == found
    assert github.asked[-3][0] == "GET"
    assert ("POST", "/repos/acme/shop/branches/main/protection/required_signatures") in github.asked


def test_a_rule_nobody_knows_is_not_written_over(rules: GitHubRules, github: FakeGitHub) -> None:
    github.branches["main"] = shapes.protection() | {
        "merge_queue": {"enabled": True},
        "quiet": {"enabled": False},
    }
    found = rules.branch("main").protection
    assert found is not None
    assert found.others == ("merge_queue",)
    with pytest.raises(
        TerminalError, match="main has merge_queue, which this version of Sluice does not know"
    ):
        rules.protect("main", found)
    assert not [method for method, _ in github.asked if method != "GET"]


def test_rulesets_are_read_as_a_protection(rules: GitHubRules, github: FakeGitHub) -> None:
    github.rules["main"] = [
        shapes.rule("pull_request", required_approving_review_count=1, dismiss_stale_reviews_on_push=True),
        shapes.rule(
            "pull_request", required_approving_review_count=2, required_review_thread_resolution=True
        ),
        shapes.rule(
            "required_status_checks",
            strict_required_status_checks_policy=True,
            required_status_checks=[{"context": "test", "integration_id": 15368}, {"context": "lint"}],
        ),
        shapes.rule("required_linear_history"),
        shapes.rule("non_fast_forward"),
    ]
    found = rules.branch("main")
    assert found.protection is None
    assert found.rulesets == BranchProtection(
        required_pull_request_reviews=ReviewRules(
            required_approving_review_count=2, dismiss_stale_reviews=True
        ),
        required_status_checks=StatusRules(
            strict=True, checks=(RequiredCheck(name="lint"), RequiredCheck(name="test", app_id=15368))
        ),
        required_linear_history=True,
        required_conversation_resolution=True,
        allow_deletions=True,
    )
    github.rules["main"] = [shapes.rule("creation")]
    assert rules.branch("main").rulesets is None


def test_what_the_login_may_not_do_is_one_line(rules: GitHubRules, github: FakeGitHub) -> None:
    github.tokens[TOKEN] -= {"administration:write"}
    with pytest.raises(TerminalError) as raised:
        rules.protect("main", BranchProtection())
    assert str(raised.value) == (
        "GitHub does not let the login change the protection of main in acme/shop: "
        "Resource not accessible by personal access token — give it the permission administration=write"
    )


def test_a_plan_without_protection_is_one_line(rules: GitHubRules, github: FakeGitHub) -> None:
    github.branches["main"] = shapes.protection()
    github.ruling.private_and_free = True
    with pytest.raises(TerminalError) as raised:
        rules.branch("main")
    assert str(raised.value) == (
        "GitHub's plan does not have the protection of main for acme/shop: Upgrade to GitHub Pro or make this "
        "repository public to enable this feature. — upgrade the plan, make the repository public, or do without "
        "it in pipeline.yaml"
    )


def test_a_branch_that_is_not_there_is_named(rules: GitHubRules) -> None:
    with pytest.raises(NotThereError, match="GitHub does not let the login see the branch gone in acme/shop"):
        rules.branch("gone")


def test_what_github_refuses_is_told_with_its_reason(rules: GitHubRules, github: FakeGitHub) -> None:
    github.ruling.personal = True
    with pytest.raises(
        ChangeRefusedError, match="Validation Failed: Only organization repositories can have"
    ):
        rules.protect("main", BranchProtection(restrictions=Actors(users=("ana",))))


def test_an_environment_is_made_and_read_back(rules: GitHubRules, github: FakeGitHub) -> None:
    github.ruling.open_team("ops")
    nothing = rules.environment("prod")
    assert nothing == EnvironmentRules(name="prod", there=False)
    wanted = EnvironmentRules(
        name="prod",
        reviewers=(Reviewer(kind="User", name="Ana"), Reviewer(kind="Team", name="acme/ops")),
        wait_minutes=30,
        prevent_self_review=True,
        refs="listed",
        patterns=(DeploymentRef(name="main"), DeploymentRef(kind="tag", name="v*")),
    )
    rules.guard(nothing, wanted)
    found = rules.environment("prod")
    assert found.agrees(wanted)
    assert {one.name for one in found.reviewers} == {"ana", "acme/ops"}
    assert found.can_admins_bypass
    fewer = found.model_copy(update={"patterns": (DeploymentRef(name="main"), DeploymentRef(name="rel/*"))})
    rules.guard(found, fewer)
    assert rules.environment("prod").agrees(fewer)
    only = fewer.model_copy(update={"refs": "protected", "patterns": (), "reviewers": ()})
    rules.guard(fewer, only.model_copy(update={"prevent_self_review": False, "can_admins_bypass": False}))
    found = rules.environment("prod")
    assert (found.refs, found.patterns, found.can_admins_bypass) == ("protected", (), False)
    rules.guard(found, found.model_copy(update={"refs": "all"}))
    found = rules.environment("prod")
    assert (found.refs, found.wait_minutes, found.can_admins_bypass) == ("all", 30, False)


@pytest.mark.parametrize(
    ("reviewer", "said"),
    [
        (Reviewer(kind="User", name="nobody"), "GitHub does not let the login see the user nobody"),
        (Reviewer(kind="Team", name="acme/gone"), "the team acme/gone has no access to acme/shop"),
        (Reviewer(kind="Team", name="other/ops"), "the team other/ops has no access to acme/shop"),
    ],
)
def test_a_reviewer_who_is_not_there(
    rules: GitHubRules, github: FakeGitHub, reviewer: Reviewer, said: str
) -> None:
    github.ruling.open_team("ops")
    nothing = EnvironmentRules(name="prod", there=False)
    with pytest.raises(TerminalError, match=said):
        rules.guard(nothing, EnvironmentRules(name="prod", reviewers=(reviewer,)))
    assert github.ruling.environments == {}


def test_a_plan_without_reviewers_says_so(rules: GitHubRules, github: FakeGitHub) -> None:
    github.ruling.no_reviewers = True
    wanted = EnvironmentRules(name="prod", reviewers=(Reviewer(kind="User", name="ana"),))
    with pytest.raises(ChangeRefusedError, match="ensure the billing plan supports the required reviewers"):
        rules.guard(EnvironmentRules(name="prod", there=False), wanted)


def test_environments_need_their_permissions(rules: GitHubRules, github: FakeGitHub) -> None:
    github.tokens[TOKEN] -= {"actions", "administration:write"}
    with pytest.raises(TerminalError, match="give it the permission actions=read"):
        rules.environment("prod")
    with pytest.raises(TerminalError, match="give it the permission administration=write"):
        rules.guard(EnvironmentRules(name="prod", there=False), EnvironmentRules(name="prod"))
