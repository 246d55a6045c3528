"""Reviews on GitHub approve a promotion: real servers and a suspended run, and GitHub over HTTP from the fake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.values.lifecycle import Status
from flows.domain.approvals.reviews import mark_line
from tasks.ledger.records import ApprovalRecord
from tests.fakes.github import FakeGitHub
from tests.flows.stories import reconciled
from tests.lab.hub import give_logins, put_github_beside
from tests.lab.scene import Scene
from tests.lab.shell import wait_until

pytestmark = pytest.mark.timeout(1800)

PULL = 7
ASKED = "    approvals: {required: 2, approvers: [ana, ben], reviews: true}\n"


@pytest.fixture
def github(scene: Scene) -> Iterator[FakeGitHub]:
    """GitHub with the pull request that brought the scene's commit, and approvers with their logins."""
    with put_github_beside(scene) as github:
        give_logins(scene)
        sha = scene.shop.add_to_environment("feature", ASKED, "Approvals")
        github.open_pull(PULL, sha, author="dora", head=sha)
        yield github


def answers(scene: Scene) -> list[ApprovalRecord]:
    with scene.ledger() as ledger:
        return ledger.approvals.of(scene.promotions("feature")[0].id)


def test_two_reviews_that_name_the_plan_let_it_in(scene: Scene, github: FakeGitHub) -> None:
    sha = scene.shop.head
    run = scene.run("promote/feature", environment="feature", requested_by="cleo")
    scene.suspended(run)
    plan = scene.promotions("feature")[0].plan
    assert plan is not None
    line = mark_line("feature", plan.hash)

    # A review of the change alone, and that of somebody who is no approver, tell nobody.
    github.review(PULL, "ana-k", "APPROVED", sha, body="Fine.")
    github.review(PULL, "eve", "APPROVED", sha, body=line)
    assert "told" not in reconciled()
    assert answers(scene) == []

    github.review(PULL, "ana-k", "APPROVED", sha, body=f"I read the plan.\n\n{line}")
    assert "1 reviews were read by promotions" in reconciled()
    wait_until(lambda: len(answers(scene)) == 1, "the judged review", seconds=300)
    (first,) = answers(scene)
    assert (first.approver, first.counted, first.decision, first.code_step) == ("ana", True, "approve", None)
    assert f"/pull/{PULL}#pullrequestreview-" in first.reason
    scene.suspended(run)

    # Dismissed before enough are in: it does not count any more, and she has to say it again.
    github.reviews[PULL][-1]["state"] = "DISMISSED"
    github.review(PULL, "ben-k", "APPROVED", sha, body=line)
    number = github.reviews[PULL][-1]["id"]
    scene.answer(run, "ben", code=f"review:{number}")
    wait_until(lambda: len(answers(scene)) == 2, "the second review", seconds=300)
    scene.suspended(run)
    assert [(one.approver, one.refusal) for one in answers(scene)] == [("ana", ""), ("ben", "")]
    assert scene.promotions("feature")[0].status is Status.WAITING

    # A number nobody's review has changes nothing.
    scene.answer(run, "ana", code="review:1")
    wait_until(lambda: len(answers(scene)) == 3, "the refusal", seconds=300)
    assert not answers(scene)[-1].counted
    scene.suspended(run)

    github.review(PULL, "ana-k", "APPROVED", sha, body=line)
    assert "1 reviews were read by promotions" in reconciled()
    assert scene.ended(run)["state"]["name"] == "Completed"
    assert scene.promotions("feature")[0].status is Status.SUCCEEDED
    assert scene.serves("feature")["version"] == "1.0.0"
    assert [(one.approver, one.counted) for one in answers(scene)] == [
        ("ana", True),
        ("ben", True),
        ("ana", False),
        ("ana", True),
    ]
