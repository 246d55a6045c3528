"""The whole story: from a branch on GitHub to a release that is live, with GitHub's word at every gate.

Real servers, Prefect, the receiver of webhooks and signed deliveries; GitHub over HTTP from the fake.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.values.lifecycle import Status
from flows.domain.approvals.reviews import mark_line
from tests.fakes.github.showing import comments_on
from tests.lab.hub import Hub, open_hub
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(2400)

RULES = """
pull_requests:
  open:
    - {branches: feature/*, into: main}
"""
STAGING = """    triggers: {events: [push, merge]}
    gates: {checks: [test], reviews: 1, wait: 5m, every: 5s}
    show: {deployments: true, status: true, comment: true}
"""
PROD = """    triggers: {events: tag}
    gates: {checks: [test], reachable_from: main, version: true}
    show: {deployments: true, status: true, comment: true, release: true}
"""


@pytest.fixture(scope="module")
def hub(scene: Scene) -> Iterator[Hub]:
    text = (scene.shop.work / "pipeline.yaml").read_text()
    staging, prod = "    env_file: [.env.staging, .env]\n", "    env_file: [.env.prod, .env]\n"
    asked = "approvals: {required: 1, approvers: [ana, ben],"
    for part in (staging, prod, asked):
        assert text.count(part) == 1
    text = text.replace(staging, staging + STAGING).replace(prod, prod + PROD)
    text = text.replace(asked, asked.replace("required: 1", "required: 2, reviews: true"))
    # A rehearsal has stories of its own.
    text = text.replace("    database: {rehearse: true}\n", "") + RULES
    scene.shop.commit_file("pipeline.yaml", text, "GitHub says what comes in")
    with open_hub(scene) as hub:
        hub.push("main", "dora")
        yield hub


def test_from_a_branch_to_a_release_that_is_live(scene: Scene, hub: Hub) -> None:
    github, shop = hub.github, scene.shop

    # A branch is pushed, and Sluice opens its pull request.
    shop.branch("feature/prices")
    shop.advance("v2")
    hub.push("feature/prices", "dora")
    hub.wait("the pull request", lambda: bool(github.pull_state.known))
    (number,) = github.pull_state.known

    # Its checks turn green, it is reviewed and merged: staging waits for the merge's own checks, and takes it.
    github.report_run(shop.head, "test", "success")
    hub.review(number, "ben-k", "Good.")
    sha = hub.merge(number, "ben-k")
    promoting = hub.started("promote/staging", sha)
    github.report_run(sha, "test", "success")
    assert scene.ended(promoting)["state"]["name"] == "Completed"
    assert scene.serves("staging")["version"] == "1.1.0"
    # The push and the merge are one commit: one run.
    assert len([row for row in scene.promotions("staging") if row.status is Status.SUCCEEDED]) == 1

    # A tag asks for prod, which asks two people; they answer where they read the change.
    hub.tag("v1.1.0", "dora")
    run = hub.started("promote/prod")
    scene.suspended(run)
    plan = scene.promotions("prod")[0].plan
    assert plan is not None
    assert scene.lab.servers["prod"].run(("docker", "ps", "-q")).stdout == ""
    # The pull request says what is asked, and how to answer.
    line = mark_line("prod", plan.hash)
    hub.wait("the comment that asks", lambda: any(line in one for one in comments_on(github, number)))
    (comment,) = comments_on(github, number)
    assert f"Plan `{plan.hash[:12]}` for prod" in comment
    assert "0 of 2 approvals are given; asked: ana, ben" in comment
    assert github.shown.status_of(sha, "sluice/prod")[-1][0] == "pending"
    for person in ("ana-k", "ben-k"):
        hub.review(number, person, f"I read the plan.\n\n{line}\n")
    assert scene.ended(run)["state"]["name"] == "Completed"
    assert scene.serves("prod")["version"] == "1.1.0"
    row = scene.promotions("prod")[0]
    with scene.ledger() as ledger:
        answers = ledger.approvals.of(row.id)
        deliveries = ledger.deliveries.newest(1000)
    assert sorted(one.approver for one in answers if one.counted) == ["ana", "ben"]
    assert all(one.reason.startswith("review http") for one in answers)
    assert all(row.reason for row in deliveries)

    # What happened is told where the change was made.
    assert github.shown.states_of("staging")[sha][-2:] == ["in_progress", "success"]
    assert github.shown.states_of("prod")[sha][-2:] == ["in_progress", "success"]
    for environment in ("staging", "prod"):
        assert github.shown.status_of(sha, f"sluice/{environment}")[-1] == ("success", "promote: succeeded")
    (comment,) = comments_on(github, number)
    assert comment.count("**runs**") == 2
    assert "To approve" not in comment
    assert "v1.1.0" in github.shown.releases
    assert f"#{number}" in github.shown.releases["v1.1.0"]["body"]
