"""A check of the commit decides whether a release comes in: real servers, and GitHub over HTTP from the fake."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page

from blocks.values.lifecycle import Status
from flows.domain.approvals.values import Refusal
from flows.promotion.plan import preview
from tasks.ledger.records import ApprovalRecord
from tests.fakes.github import FakeGitHub
from tests.fakes.github.showing import comments_on
from tests.flows.stories import attempt
from tests.lab.browser import open_form, open_page
from tests.lab.hub import put_github_beside
from tests.lab.scene import Scene
from tests.lab.shell import wait_until

pytestmark = pytest.mark.timeout(1800)

GATES = "    gates: {checks: [test], reachable_from: main, wait: 2m, every: 5s}\n"
SHOW = "    show: {deployments: true, status: true, comment: true}\n"


@pytest.fixture
def page() -> Iterator[Page]:
    with open_page() as opened:
        yield opened


@pytest.fixture(scope="module")
def github(scene: Scene) -> Iterator[FakeGitHub]:
    """GitHub, which knows the scene's commits; the repository names it, and the pipeline asks it."""
    with put_github_beside(scene) as github:
        scene.shop.add_to_environment("feature", GATES + SHOW, "Gates")
        github.push(scene.shop.head)
        yield github


def test_red_stops_it_before_anything_is_built_and_green_lets_it_in(scene: Scene, github: FakeGitHub) -> None:
    sha = scene.shop.head
    github.open_pull(7, sha, author="dora", head=sha, merge_commit=sha, merged_at=datetime.now(UTC))
    github.report_run(sha, "test", "failure")
    shown = {gate.gate: gate for gate in preview("feature", "", "default").gates}
    assert (shown["checks"].passed, shown["reachable"].passed) == (False, True)

    name, message = attempt()
    assert name == "Refused"
    assert "feature is closed for this release: test ended with failure" in message
    refused = scene.promotions("feature")[0]
    assert (refused.status, refused.release_id) == (Status.REFUSED, None)
    with scene.ledger() as ledger:
        assert {step.name for step in ledger.steps.of(refused.id)} == {"show"}
    shown_states = github.shown.states_of("feature")[sha]
    assert (shown_states[0], shown_states[-1]) == ("queued", "failure")
    state, said = github.shown.status_of(sha, "sluice/feature")[-1]
    assert (state, "test ended with failure" in said) == ("failure", True)

    # Run again, it takes a while: the promotion waits for its end.
    github.report_run(sha, "test", "in_progress")
    timer = threading.Timer(8, lambda: github.report_run(sha, "test", "success"))
    timer.start()
    name, message = attempt()
    timer.join()
    assert (name, scene.promotions("feature")[0].status) == ("Completed", Status.SUCCEEDED), message
    assert scene.serves("feature")["version"] == "1.0.0"
    assert github.shown.states_of("feature")[sha][-2:] == ["in_progress", "success"]
    assert github.shown.status_of(sha, "sluice/feature")[-1] == ("success", "promote: succeeded")
    (comment,) = comments_on(github, 7)
    assert "**runs**" in comment

    # What runs was let in: verifying it again asks nobody.
    github.report_run(sha, "test", "failure")
    asked = len(github.asked)
    assert attempt()[0] == "Completed"
    assert scene.promotions("feature")[0].status is Status.UNCHANGED
    assert len(github.asked) == asked


def test_a_checklist_is_ticked_in_the_browser(scene: Scene, github: FakeGitHub, page: Page) -> None:
    asked = "    approvals: {approvers: [ana, ben]}\n    gates: {checklist: [ben knows, cleo knows]}\n"
    text = (scene.shop.work / "pipeline.yaml").read_text()
    scene.shop.commit_file("pipeline.yaml", text.replace(GATES, asked, 1), "A checklist")
    run = scene.run("promote/feature", environment="feature", ref=scene.shop.head, requested_by="cleo")
    scene.suspended(run)

    # While ana reads the form of one approval, a push asks for two, and for another checklist: she answered the first.
    form, shown = (
        open_form(page, scene.plane.url, run, scene.plane.login.text),
        scene.promotions("feature")[0].plan_hash,
    )
    assert "0 of 1 approvals" in form.text
    people = "    approvals: {approvers: [ana, ben], required: 2}\n"
    asks = people + "    gates: {checklist: [alerts are on, ben knows]}\n"
    scene.shop.commit_file("pipeline.yaml", text.replace(GATES, asks, 1), "Two people")
    form.answer("ana", "approve", scene.code("ana"), ticks=("ben knows", "cleo knows"))
    stale = judged(scene, 1)
    assert (stale.approver, stale.counted, stale.decision) == ("ana", False, "approve")
    assert (stale.refusal, stale.plan_hash) == (Refusal.OTHER_PLAN, shown)
    scene.suspended(run)
    assert scene.promotions("feature")[0].plan_hash != shown
    assert [one["text"].startswith("Approval needed") for one in scene.inbox.messages[-2:]] == [True, True]

    form = open_form(page, scene.plane.url, run, scene.plane.login.text)
    assert "it answers another plan than the one that is shown now" in form.text
    assert "0 of 2 approvals" in form.text
    form.answer("ben", "approve", scene.code("ben"), ticks=("alerts are on",))
    answer = judged(scene, 2)
    assert (answer.counted, answer.refusal) == (False, "not every item of the checklist is ticked")
    scene.suspended(run)
    form = open_form(page, scene.plane.url, run, scene.plane.login.text)
    assert "not every item of the checklist is ticked" in form.text
    form.answer("ana", "approve", scene.code("ana"), ticks=("alerts are on", "ben knows"))
    assert judged(scene, 3).counted
    scene.suspended(run)
    scene.plane.answer(run, approver="ben", code=scene.code("ben"), ticked=(1, 2))
    assert scene.ended(run)["state"]["name"] == "Completed"
    assert scene.promotions("feature")[0].status is Status.SUCCEEDED


def judged(scene: Scene, number: int) -> ApprovalRecord:
    """Wait for an answer's verdict, counted from 1, and return it."""
    with scene.ledger() as ledger:
        row = scene.promotions("feature")[0].id
        wait_until(lambda: len(ledger.approvals.of(row)) == number, "the judged answer", seconds=300)
        return ledger.approvals.of(row)[-1]
