"""Which deliveries have pull requests looked after."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.pipeline import load_pipeline
from blocks.values.deliveries import Errand, Start
from flows.domain.pull_requests.choose import tending_of, with_tending
from flows.domain.triggers.decide import DeliveryDecision, Known, decide, rules_of
from flows.domain.triggers.events import Event, missed_event, read_event
from tests.data import event_of, payload

PIPELINE = """
pipeline: shop
pull_requests:
  open: [{branches: feature/*, into: staging}]
  auto_merge: [{into: main, authors: ana, paths: docs/**}]
environments:
  feature: {hosts: feature, branches: feature/*, triggers: {events: [pull_request], bots: acme-release}}
  staging: {hosts: staging, branches: main, triggers: {events: push}}
  prod: {hosts: prod, tags: v*, approvals: {approvers: ana}}
"""
LOADED = load_pipeline(PIPELINE)
A, B = "a" * 40, "b" * 40
KNOWN = Known(refs={"refs/heads/main": A, "refs/heads/feature/cents": B, "refs/tags/feature/cents": B})


def asked(event: Event | str, pipeline: str = PIPELINE, **known: Any) -> DeliveryDecision:
    read = event if isinstance(event, Event) else read_event(event_of(event), payload(event))
    loaded, facts = load_pipeline(pipeline), KNOWN.model_copy(update=known)
    return with_tending(decide(read, rules_of(loaded), facts), read, tending_of(loaded), facts)


def tends(decision: DeliveryDecision) -> bool:
    return any(start.kind is Errand.TEND for start in decision.starts)


def push(**given: Any) -> Event:
    plain: dict[str, Any] = {"name": "push", "means": "push", "ref": "refs/heads/feature/cents", "sha": B}
    return Event(**plain | {"sender": "ana"} | given)


def request(action: str = "opened", **given: Any) -> Event:
    raw = payload("pull_request_opened") | {"action": action}
    return read_event("pull_request", raw).model_copy(update=given)


def test_a_push_of_a_branch_that_gets_a_pull_request() -> None:
    start = Start(
        environment="pull-requests",
        kind=Errand.TEND,
        ref="feature/cents",
        branch="feature/cents",
        sha=B,
        by_commit=False,
        requested_by="ana",
    )
    assert asked(push()) == DeliveryDecision(
        outcome="start", reason="pull requests of feature/cents", starts=(start,)
    )
    assert start.deployment == "tend/pull-requests"
    assert start.parameters("default") == {
        "branch": "feature/cents",
        "source": "default",
        "requested_by": "ana",
    }


def test_it_stands_beside_what_is_promoted() -> None:
    found = asked(request())
    assert [start.deployment for start in found.starts] == ["promote/feature", "tend/pull-requests"]
    assert found.reason == "pull request of feature/cents; pull requests of feature/cents"


@pytest.mark.parametrize("action", ["opened", "reopened", "synchronize", "ready_for_review"])
def test_a_pull_request_that_could_be_merged(action: str) -> None:
    assert tends(asked(request(action)))


@pytest.mark.parametrize("action", ["labeled", "closed", "edited", "converted_to_draft"])
def test_what_changes_nothing_about_it(action: str) -> None:
    assert not tends(asked(request(action)))


def test_one_that_goes_somewhere_else_now_is_judged_anew() -> None:
    raw = payload("pull_request_opened") | {"action": "edited"}
    raw["pull_request"]["base"]["ref"] = "release"
    assert not tends(asked(read_event("pull_request", raw)))
    raw["changes"] = {"title": {"from": "Old"}}
    assert not tends(asked(read_event("pull_request", raw)))
    raw["changes"] = {"base": {"ref": {"from": "main"}, "sha": {"from": A}}}
    event = read_event("pull_request", raw)
    assert (event.means, event.bases) == ("ready", ("release", "main"))
    found = asked(event)
    assert [start.deployment for start in found.starts] == ["tend/pull-requests"]


@pytest.mark.parametrize(
    "event",
    [
        push(bot=True, sender="x[bot]"),
        push(sender="Acme-Release"),
        push(refusal="the branch was deleted"),
        push(ref="refs/heads/main", sha=A),
        push(ref="refs/heads/fix/x"),
        push(ref="refs/tags/feature/cents", means="tag"),
        push(sha="c" * 40),
        request(bases=("staging",)),
        request(bot=True),
        push(means="workflow_run"),
        "pull_request_fork_opened",
        "pull_request_merged",
        "issue_comment_promote",
        "push_deleted_branch",
    ],
)
def test_what_looks_after_none(event: Event | str) -> None:
    assert not tends(asked(event))


def test_nothing_is_asked_for() -> None:
    bare = PIPELINE[: PIPELINE.index("pull_requests")] + PIPELINE[PIPELINE.index("environments") :]
    assert not tends(asked(push(), bare))
    assert not tends(asked(request(), bare))
    assert tending_of(load_pipeline(bare)).opened == ()
    assert tending_of(LOADED).opened == ("feature/*",)


def test_a_commit_that_is_not_there_yet_is_waited_for() -> None:
    found = asked(push(), has_commit=False)
    assert (found.outcome, found.starts) == ("wait", ())
    assert found.reason == "commit bbbbbbb is not in the repository yet"
    # What waits for its promotion waits as a whole.
    assert asked(request(), has_commit=False).outcome == "wait"


def test_what_github_did_not_deliver_is_made_up_for() -> None:
    (start,) = asked(missed_event("refs/heads/feature/cents", B)).starts
    assert (start.kind, start.requested_by) == (Errand.TEND, "")
