"""What starts what: every kind of event against a pipeline's triggers, and everything that must start nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.pipeline import load_pipeline
from blocks.values.deliveries import Start
from blocks.values.lifecycle import Kind
from flows.domain.triggers.decide import DeliveryDecision, Known, decide, rules_of, superseded
from flows.domain.triggers.events import Event, missed_event, read_event
from flows.domain.words.versions import version_of
from tests.data import NAMES, event_of, payload

PIPELINE = """
pipeline: shop
environments:
  feature:
    hosts: feature
    branches: [feature/*, main]
    triggers: {events: pull_request, comments: ben}
  staging:
    hosts: staging
    branches: main
    triggers: {events: EVENTS, comments: [Ana, ben], bots: acme-release}
  prod:
    hosts: prod
    tags: v*
    triggers: {events: [tag, release], comments: ben}
"""
A, B = "a" * 40, "b" * 40
REFS = {"refs/heads/main": A, "refs/heads/feature/cents": B, "refs/tags/v1.4.0": A}
KNOWN = Known(refs=REFS)
PUSH = "[push, merge]"
CHECKS = "[workflow_run, check_suite], workflows: ci.yml, apps: acme-ci"


def asked(event: Event | str, events: str = PUSH, **known: Any) -> DeliveryDecision:
    read = event if isinstance(event, Event) else read_event(event_of(event), payload(event))
    rules = rules_of(load_pipeline(PIPELINE.replace("EVENTS", events)))
    return decide(read, rules, KNOWN.model_copy(update=known))


def changed(name: str, **changes: Any) -> Event:
    return read_event(event_of(name), payload(name)).model_copy(update=changes)


def promote(environment: str, ref: str, **given: Any) -> Start:
    plain = {"sha": ref, "branch": "main", "requested_by": "ana"}
    return Start(environment=environment, kind=Kind.PROMOTE, ref=ref, **{**plain, **given})


def test_a_push_starts_what_listens_to_its_branch() -> None:
    assert asked("push_branch") == DeliveryDecision(
        outcome="start", reason="push to main", starts=(promote("staging", A),)
    )


@pytest.mark.parametrize("name", ["push_tag", "push_annotated_tag", "release_published"])
def test_a_version_starts_prod(name: str) -> None:
    decision = asked(name)
    assert decision.starts == (promote("prod", "v1.4.0", sha=A, branch=""),)
    assert decision.reason.endswith("v1.4.0")


@pytest.mark.parametrize("name", ["pull_request_opened", "pull_request_synchronize"])
def test_a_pull_request_starts_feature(name: str) -> None:
    assert asked(name).starts == (promote("feature", B, branch="feature/cents"),)


def test_a_merge_starts_staging_at_the_commit_it_made() -> None:
    assert asked("pull_request_merged").starts == (promote("staging", A),)


@pytest.mark.parametrize("first", ["push_branch", "pull_request_merged"])
def test_push_and_merge_of_one_commit_start_one_run(first: str) -> None:
    second = {"push_branch": "pull_request_merged", "pull_request_merged": "push_branch"}[first]
    (start,) = asked(first).starts
    decision = asked(second, latest={"staging": start.sha})
    assert (decision.outcome, decision.starts) == ("fold", ())
    assert decision.reason == "staging: commit aaaaaaa was started by another delivery"
    assert asked(second, latest={"staging": B}).outcome == "start"
    assert asked(second, latest={"staging": start.sha}, again=True).outcome == "start"


@pytest.mark.parametrize("name", ["workflow_run_completed", "check_suite_completed"])
def test_green_checks_start_staging(name: str) -> None:
    pushed = (changed("push_branch"),)
    assert asked(name, CHECKS, pushed_by=pushed).starts == (promote("staging", A),)
    assert asked(name).reason == f"no environment has a trigger for {event_of(name)}"


def test_checks_of_a_tag_name_it_like_a_branch() -> None:
    event = changed("workflow_run_completed", ref="v1.4.0")
    pipeline = PIPELINE.replace("[tag, release]", "workflow_run, workflows: CI").replace("EVENTS", PUSH)
    decision = decide(event, rules_of(load_pipeline(pipeline)), KNOWN)
    assert decision.starts == (promote("prod", "v1.4.0", sha=A, branch=""),)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (changed("workflow_run_completed", producers=("Lint", "lint.yml")), "Lint is not what it waits for"),
        (changed("workflow_run_completed", producers=()), "nothing is not what it waits for"),
        (changed("workflow_run_completed", ref="gone"), "the repository has no branch or tag gone"),
        (changed("workflow_run_completed", ref="feature/cents"), "branch feature/cents may not enter it"),
        (
            changed("check_suite_completed"),
            "no delivery says who pushed the commit: let the webhook send pushes too",
        ),
    ],
)
def test_checks_that_do_not_count(event: Event, reason: str) -> None:
    assert asked(event, CHECKS) == DeliveryDecision(outcome="ignore", reason=f"staging: {reason}")


@pytest.mark.parametrize("name", ["workflow_run_completed", "check_suite_completed"])
def test_checks_of_what_a_bot_pushed_start_nothing(name: str) -> None:
    decision = asked(name, CHECKS, pushed_by=(changed("push_by_bot"),))
    assert decision == DeliveryDecision(outcome="ignore", reason="staging: acme-deployer[bot] is a bot")


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("by_bot")])
def test_bots_start_nothing(name: str) -> None:
    assert asked(name, CHECKS) == DeliveryDecision(outcome="ignore", reason="acme-deployer[bot] is a bot")


BOT = {"sender": "acme-deployer[bot]", "bot": True}


@pytest.mark.parametrize("events", ["merge", "push", PUSH])
@pytest.mark.parametrize("merger", [BOT, {"sender": "acme-release"}])
def test_what_a_bot_merged_for_a_person_is_that_persons(events: str, merger: dict[str, Any]) -> None:
    decision = asked(changed("pull_request_merged", **merger), events)
    assert decision.starts == (promote("staging", A, requested_by="ana"),)


@pytest.mark.parametrize("author", ["", "ACME-release"])
def test_what_a_bot_merged_for_a_bot_starts_nothing(author: str) -> None:
    decision = asked(changed("pull_request_merged", **BOT, author=author))
    assert decision.outcome == "ignore"
    assert decision.reason.endswith("acme-deployer[bot] is a bot")


def test_a_persons_merge_is_no_push() -> None:
    assert asked("pull_request_merged", "push").outcome == "ignore"


@pytest.mark.parametrize("name", ["workflow_run_by_bot", "check_suite_completed"])
def test_checks_of_what_a_bot_merged_for_a_person_start_staging(name: str) -> None:
    pushed, merge = changed("push_by_bot"), changed("pull_request_merged", **BOT)
    decision = asked(name, CHECKS, pushed_by=(pushed,), merged=(merge,))
    (start,) = decision.starts
    assert (start.sha, start.environment) == (A, "staging")
    elsewhere = merge.model_copy(update={"ref": "refs/heads/release"})
    for other in (elsewhere, merge.model_copy(update={"author": ""})):
        decision = asked(name, CHECKS, pushed_by=(pushed,), merged=(other,))
        assert decision == DeliveryDecision(outcome="ignore", reason="staging: acme-deployer[bot] is a bot")


def test_the_author_of_a_merge_is_a_person_or_nobody() -> None:
    merged = payload("pull_request_merged")
    assert read_event("pull_request", merged).author == "ana"
    merged["pull_request"]["user"] = {"login": "renovate[bot]", "type": "Bot"}
    assert read_event("pull_request", merged).author == ""
    merged["pull_request"]["user"] = None
    assert read_event("pull_request", merged).author == ""


def test_configured_bots_start_nothing_in_any_case() -> None:
    decision = asked(changed("push_branch", sender="ACME-release"))
    assert decision == DeliveryDecision(outcome="ignore", reason="staging: ACME-release is a bot")


@pytest.mark.parametrize("name", [name for name in NAMES if "fork" in name or "deleted" in name])
def test_forks_and_deleted_refs_start_nothing(name: str) -> None:
    everything = "[push, tag, pull_request, merge, workflow_run, check_suite], workflows: CI, apps: acme-ci"
    assert asked(name, everything).outcome == "ignore"


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("v1.4", "tag v1.4 is not a version such as v1.4.0"),
        ("v1.4.0.1", "tag v1.4.0.1 is not a version such as v1.4.0"),
        ("vnext", "tag vnext is not a version such as v1.4.0"),
        ("v01.4.0", "tag v01.4.0 is not a version such as v1.4.0"),
        ("v1.4.0-rc.1", "v1.4.0-rc.1 is a pre-release"),
        ("1.4.0", "tag 1.4.0 may not enter it"),
    ],
)
def test_tags_that_are_no_version_start_nothing(tag: str, reason: str) -> None:
    ref = f"refs/tags/{tag}"
    decision = asked(changed("push_tag", ref=ref), refs={**REFS, ref: A})
    assert decision == DeliveryDecision(outcome="ignore", reason=f"prod: {reason}")


def test_pre_releases_start_where_the_pipeline_says_so() -> None:
    rules = rules_of(
        load_pipeline(PIPELINE.replace("EVENTS", PUSH).replace("ben}", "ben, prereleases: true}"))
    )
    event = changed("release_published", prerelease=True)
    assert decide(event, rules, KNOWN).outcome == "start"
    assert asked(event).reason == "prod: v1.4.0 is a pre-release"


@pytest.mark.parametrize(
    ("pattern", "tag", "version"),
    [
        ("v*", "v1.4.0", "1.4.0"),
        ("v1.*", "v1.4.0", "1.4.0"),
        ("shop-v*", "shop-v2.0.0+build.7", "2.0.0+build.7"),
        ("release/*", "release/v1.0.0", "1.0.0"),
        ("*", "1.0.0", "1.0.0"),
        ("v[0-9]*", "v3.0.1", "3.0.1"),
        ("v*", "v" + "1" * 5000 + ".0.0", None),
        ("v*", "shop-v1.0.0", None),
    ],
)
def test_the_version_of_a_tag(pattern: str, tag: str, version: str | None) -> None:
    found = version_of(tag, [pattern])
    assert (str(found) if found else None) == version


def test_an_event_that_comes_late_brings_nothing_old_back() -> None:
    decision = asked("push_branch", refs={**REFS, "refs/heads/main": B})
    assert decision == DeliveryDecision(
        outcome="fold", reason="staging: main is now at bbbbbbb, which counts"
    )


def test_a_branch_that_only_holds_a_changelog_entry_starts_nothing() -> None:
    pipeline = PIPELINE.replace("branches: main\n", 'branches: "*"\n').replace("EVENTS", PUSH)
    event = changed("push_branch", ref="refs/heads/sluice/changelog-v1.4.0")
    known = KNOWN.model_copy(update={"refs": {**REFS, event.ref: event.sha}})
    found = decide(event, rules_of(load_pipeline(pipeline)), known)
    assert (found.outcome, found.starts) == ("ignore", ())
    assert "branch sluice/changelog-v1.4.0 is Sluice's own" in found.reason
    other = event.model_copy(update={"ref": "refs/heads/sluice/other"})
    known = KNOWN.model_copy(update={"refs": {**REFS, other.ref: other.sha}})
    assert decide(other, rules_of(load_pipeline(pipeline)), known).outcome == "start"


def test_a_branch_that_is_gone_starts_nothing() -> None:
    decision = asked("push_branch", refs={})
    assert decision == DeliveryDecision(
        outcome="ignore", reason="staging: main is not in the repository any more"
    )
    assert asked("release_published", refs={}).outcome == "ignore"


def test_a_commit_that_git_does_not_show_yet_is_waited_for() -> None:
    decision = asked("push_branch", refs={**REFS, "refs/heads/main": B}, has_commit=False)
    assert decision == DeliveryDecision(outcome="wait", reason="commit aaaaaaa is not in the repository yet")


def test_what_github_failed_to_deliver_starts_the_same() -> None:
    assert asked(missed_event("refs/heads/main", A)).starts == (promote("staging", A, requested_by="github"),)
    assert asked(missed_event("refs/tags/v1.4.0", A)).starts[0].environment == "prod"


# --- reviews -----------------------------------------------------------------------------------------------


def test_a_review_that_names_a_plan_has_its_environment_looked_at_and_promotes_nothing() -> None:
    review = read_event("pull_request_review", payload("pull_request_review_submitted"))
    assert asked(review).reason == "reviews cannot answer plans there"
    asking = "    approvals: {approvers: [ana, ben], reviews: true}\n"
    decision = decide(review, rules_of(load_pipeline(PIPELINE.replace("EVENTS", PUSH) + asking)), KNOWN)
    (start,) = decision.starts
    assert (decision.outcome, start.deployment) == ("start", "reconcile/all")
    assert start.parameters("shop") == {"environment": "prod", "source": "shop"}
    bot = review.model_copy(update={"bot": True})
    assert decide(bot, rules_of(load_pipeline(PIPELINE.replace("EVENTS", PUSH) + asking)), KNOWN).starts == ()


# --- comments ----------------------------------------------------------------------------------------------


def said(command: str, sender: str = "ana", **changes: Any) -> Event:
    return changed("issue_comment_promote", command=command, sender=sender, **changes)


OPEN = changed("pull_request_opened")


def test_a_comment_promotes_the_pull_requests_commit() -> None:
    decision = asked("issue_comment_promote", request=OPEN)
    expected = promote("staging", B, sha="", branch="", by_commit=False)
    assert decision == DeliveryDecision(outcome="start", reason="comment /promote by ana", starts=(expected,))
    assert asked("issue_comment_promote", request=OPEN, latest={"staging": B}).outcome == "start"


def test_after_the_merge_it_is_the_commit_of_the_merge() -> None:
    decision = asked("issue_comment_promote", request=changed("pull_request_merged"))
    assert decision.starts[0].ref == A


def test_on_an_issue_the_environment_chooses() -> None:
    assert asked(said("/promote staging", on_request=False)).starts[0].ref == ""


def test_a_comment_rolls_back() -> None:
    (start,) = asked(changed("issue_comment_rollback", sender="BEN")).starts
    assert start.deployment == "rollback/prod"
    assert start.parameters("shop") == {
        "environment": "prod",
        "source": "shop",
        "requested_by": "BEN",
        "release": "",
        "reason": "/rollback by BEN, comment on #7",
    }
    (start,) = asked(said("/rollback prod 1f3c2ab", "ben")).starts
    assert start.ref == "1f3c2ab"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("issue_comment_by_owner_not_listed", "mallory may not start runs in prod by comments"),
        (said("/rollback prod"), "ana may not start runs in prod by comments"),
        (said("/promote"), "expected /promote ENV, and at most one word more"),
        (said("/promote staging a b"), "expected /promote ENV, and at most one word more"),
        (said("/promote staging --force"), "expected /promote ENV, and at most one word more"),
        (said("/promote staging $(id)"), "expected /promote ENV, and at most one word more"),
        (said("/promote moon"), "there is no environment moon"),
        (said("/destroy prod"), "the comment is no command"),
        (said("/promote staging", bot=True, sender="ana[bot]"), "ana[bot] is a bot"),
        (
            said("/promote staging"),
            "this pull request is not known: name the branch, /promote ENV BRANCH",
        ),
    ],
)
def test_comments_that_start_nothing(event: Event | str, reason: str) -> None:
    assert asked(event) == DeliveryDecision(outcome="ignore", reason=reason)


def test_a_forks_pull_request_is_not_promoted_by_a_comment_either() -> None:
    fork = changed("pull_request_fork_opened")
    assert asked("issue_comment_promote", request=fork).reason == "the pull request is from a fork"
    unknown = OPEN.model_copy(update={"sha": ""})
    assert "is not known" in asked("issue_comment_promote", request=unknown).reason


# --- what always holds ----------------------------------------------------------------------------------------


def test_only_the_newest_pending_start_of_a_branch_stays() -> None:
    pending = [
        (1, promote("staging", A)),
        (2, promote("feature", A)),
        (3, promote("staging", A, branch="")),
        (4, promote("staging", B, branch="release")),
    ]
    assert superseded(pending, [promote("staging", B)]) == (1,)
    assert superseded(pending, [promote("staging", B, branch="")]) == ()


@pytest.mark.parametrize("name", NAMES)
def test_without_triggers_nothing_starts(name: str) -> None:
    quiet = load_pipeline("pipeline: shop\nenvironments: {staging: {hosts: a, branches: main, tags: v*}}")
    event = read_event(event_of(name), payload(name))
    assert decide(event, rules_of(quiet), KNOWN).outcome == "ignore"


@given(
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from([*REFS, "refs/heads/x"]), st.sampled_from([A, B])),
    st.dictionaries(st.sampled_from(["feature", "staging", "prod"]), st.sampled_from([A, B])),
    st.booleans(),
)
def test_what_starts_is_always_what_the_ref_is_at(
    name: str, refs: dict[str, str], latest: dict[str, str], has_commit: bool
) -> None:
    decision = asked(name, refs=refs, latest=latest, has_commit=has_commit)
    assert bool(decision.starts) == (decision.outcome == "start")
    assert decision.reason
    for start in decision.starts:
        if start.by_commit:
            ref = f"refs/heads/{start.branch}" if start.branch else f"refs/tags/{start.ref}"
            assert refs[ref] == start.sha != latest.get(start.environment)
