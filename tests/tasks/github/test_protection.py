"""Rules are written where they are missing, looked at again, and never over what somebody else changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.values.rules import BranchProtection, BranchRules, DeploymentRef, EnvironmentRules, Reviewer
from tasks.github.client import GitHubClient, log_in
from tasks.github.protection import protect_branch, protect_environment, read_rules
from tasks.github.rules import GitHubRules
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.protocols import RuleKeeper
from tests.fakes.github import REPOSITORY, TOKEN, FakeGitHub, Fault

STRICT = BranchProtection(enforce_admins=True)
ANA = Reviewer(kind="User", name="ana")


@pytest.fixture(autouse=True)
def _known(github: FakeGitHub) -> None:
    github.branches["main"] = None


@pytest.fixture
def keeper(github: FakeGitHub) -> Iterator[RuleKeeper]:
    client = GitHubClient(REPOSITORY, log_in(TOKEN), github.base)
    yield GitHubRules(client)
    client.close()


def writes(github: FakeGitHub) -> int:
    return sum(method != "GET" for method, _ in github.asked)


def test_what_was_asked_for_is_read_in_its_order(keeper: RuleKeeper, github: FakeGitHub) -> None:
    github.branches["dev"] = None
    found = read_rules.fn(keeper, branches=("main", "dev"), environments=("prod",))
    assert [one.branch for one in found.branches] == ["main", "dev"]
    assert [(one.name, one.there) for one in found.environments] == [("prod", False)]
    assert found.page == f"{github.base}/acme/shop"


def test_a_branch_is_protected_once(keeper: RuleKeeper, github: FakeGitHub) -> None:
    found = keeper.branch("main")
    assert protect_branch.fn(keeper, found=found, wanted=STRICT).changed
    # A second try after an answer that got lost.
    assert not protect_branch.fn(keeper, found=found, wanted=STRICT).changed
    assert writes(github) == 1


def test_what_somebody_changed_meanwhile_is_left_alone(keeper: RuleKeeper, github: FakeGitHub) -> None:
    found = BranchRules(branch="main", protection=BranchProtection(lock_branch=True))
    with pytest.raises(TerminalError, match="the protection of main was changed on GitHub meanwhile"):
        protect_branch.fn(keeper, found=found, wanted=STRICT)
    assert writes(github) == 0


def test_a_protection_that_is_not_kept_is_told(keeper: RuleKeeper, github: FakeGitHub) -> None:
    keeper.protect("main", BranchProtection())
    github.ruling.forgets = {"enforce_admins"}
    with pytest.raises(TerminalError, match="GitHub took the protection of main and does not have all of it"):
        protect_branch.fn(keeper, found=keeper.branch("main"), wanted=STRICT)


def test_an_environment_is_made_once(keeper: RuleKeeper, github: FakeGitHub) -> None:
    wanted = EnvironmentRules(name="prod", reviewers=(ANA,), wait_minutes=5)
    assert protect_environment.fn(keeper, wanted=wanted).changed
    assert not protect_environment.fn(keeper, wanted=wanted).changed
    assert writes(github) == 1


def test_an_environment_that_became_stricter_meanwhile_is_left_alone(
    keeper: RuleKeeper, github: FakeGitHub
) -> None:
    strict = EnvironmentRules(
        name="prod", reviewers=(ANA,), wait_minutes=9, prevent_self_review=True, can_admins_bypass=False
    )
    keeper.guard(EnvironmentRules(name="prod", there=False), strict)
    before = writes(github)
    for looser in ({"wait_minutes": 5}, {"prevent_self_review": False}, {"can_admins_bypass": None}):
        wanted = strict.model_copy(update={**looser, "refs": "protected"})
        with pytest.raises(TerminalError, match="environment prod was changed on GitHub meanwhile"):
            protect_environment.fn(keeper, wanted=wanted)
    assert writes(github) == before


def test_one_that_was_cut_half_way_is_brought_to_its_end(keeper: RuleKeeper, github: FakeGitHub) -> None:
    wanted = EnvironmentRules(
        name="prod",
        refs="listed",
        patterns=(DeploymentRef(name="main"), DeploymentRef(kind="tag", name="v*")),
    )
    github.faults.append(Fault("/deployment-branch-policies", 502, times=9))
    with pytest.raises(TransientError):
        protect_environment.fn(keeper, wanted=wanted)
    github.faults.clear()
    assert protect_environment.fn(keeper, wanted=wanted).changed
    assert keeper.environment("prod").agrees(wanted)
