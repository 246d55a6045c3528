"""A rollback on a real server, and the pull request on GitHub that reverts what it left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.rollback.flow import rollback
from tests.fakes.github import REPOSITORY, FakeGitHub, Fault, pulls
from tests.flows.stories import attempt
from tests.lab.hub import put_github_beside
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(1800)

STYLE = "frontend/site/style.css"


@pytest.fixture(scope="module")
def github(scene: Scene) -> Iterator[FakeGitHub]:
    """GitHub beside the scene's repository; the first release runs in feature."""
    text = (scene.shop.work / "pipeline.yaml").read_text()
    asked = "pull_requests: {revert_after_rollback: feature}\n"
    scene.shop.commit_file("pipeline.yaml", text + asked, "What is left is reverted")
    with put_github_beside(scene) as github:
        assert attempt()[0] == "Completed"
        yield github


def merged(scene: Scene, github: FakeGitHub, branch: str, color: str) -> int:
    """Merge a change of the shop's style by a pull request; return its number."""
    scene.shop.branch(branch)
    text = (scene.shop.work / STYLE).read_text()
    scene.shop.commit_file(STYLE, f"{text}\nbody {{ color: {color}; }}\n", f"The shop is {color}")
    pulls.push_branch(github, branch, scene.shop.head, author="ana", files={STYLE: None})
    number = int(pulls.open_request(github, branch, "main", author="ana", title=f"All {color}")["number"])
    scene.shop.switch("main")
    pulls.merge(github, number, "ana", sha=scene.shop.merge(branch))
    return number


def test_what_a_rollback_left_is_reverted(scene: Scene, github: FakeGitHub) -> None:
    number = merged(scene, github, "feature/green", "green")
    assert attempt()[0] == "Completed"
    state = rollback("feature", reason="it is hard to read", requested_by="ben", return_state=True)
    assert state.name == "Completed", state.message
    row = scene.promotions("feature")[0]
    (made,) = [one for one in github.pull_state.known.values() if one["head"]["ref"].startswith("revert-")]
    assert made["title"] == 'Revert "All green": feature was rolled back'
    assert f"Reverts {REPOSITORY}#{number}." in made["body"]
    assert f"promotion {row.id}, asked for by `ben`" in made["body"]
    assert "Cause: `it is hard to read`" in made["body"]
    with scene.ledger() as ledger:
        steps = {(step.name, step.host): step.status for step in ledger.steps.of(row.id)}
    assert steps["revert pull request", f"#{number}"] == "finished"


def test_github_that_is_away_costs_a_rollback_nothing(scene: Scene, github: FakeGitHub) -> None:
    number = merged(scene, github, "feature/blue", "blue")
    assert attempt()[0] == "Completed"
    github.faults.append(Fault("/pulls", 503, "Unavailable", times=99))
    state = rollback("feature", reason="blue", return_state=True)
    assert state.name == "Completed", state.message
    assert f"revert-{number}-feature/blue" not in github.pull_state.branches
