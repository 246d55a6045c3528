"""Every payload is read into the facts that decide; what is not GitHub's is refused in one line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.domain.triggers.events import Event, MalformedPayloadError, read_event, repository_of
from tests.data import EVENTS, NAMES, event_of, payload

MEANS = {
    "push_branch": "push",
    "push_by_bot": "push",
    "push_tag": "tag",
    "push_annotated_tag": "tag",
    "pull_request_opened": "pull_request",
    "pull_request_synchronize": "pull_request",
    "pull_request_merged": "merge",
    "workflow_run_completed": "workflow_run",
    "workflow_run_by_bot": "workflow_run",
    "check_suite_completed": "check_suite",
    "release_published": "release",
    "issue_comment_promote": "comment",
    "issue_comment_rollback": "comment",
    "issue_comment_by_owner_not_listed": "comment",
    "pull_request_review_submitted": "review",
}
REFUSALS = {
    "push_deleted_branch": "the branch was deleted",
    "push_deleted_tag": "the tag was deleted",
    "pull_request_closed": "the pull request was closed without a merge",
    "pull_request_labeled": "a pull request that is labeled starts nothing",
    "pull_request_fork_opened": "the pull request is from a fork: forks start nothing",
    "pull_request_fork_merged": "the pull request is from a fork: only the push of its merge counts",
    "pull_request_deleted_fork_merged": "the pull request is from a fork: only the push of its merge counts",
    "workflow_run_failed": "the checks ended with failure",
    "workflow_run_requested": "the checks are not completed",
    "workflow_run_of_fork": "the checks are from a fork, whatever its branch is called",
    "pull_request_review_of_change": "the review names no plan",
    "pull_request_review_dismissed": "a review that is dismissed starts nothing",
    "issue_comment_talk": "the comment is no command",
    "issue_comment_edited": "a comment that is edited starts nothing",
    "ping": "the webhook is set up",
}


def read(name: str, **changes: Any) -> Event:
    return read_event(event_of(name), {**payload(name), **changes})


def test_every_payload_has_its_answer() -> None:
    assert set(MEANS) | set(REFUSALS) == set(NAMES)
    assert {event_of(name) for name in NAMES} == set(EVENTS)


@pytest.mark.parametrize(("name", "means"), MEANS.items())
def test_what_an_event_can_start(name: str, means: str) -> None:
    event = read(name)
    assert (event.means, event.refusal) == (means, "")
    assert event.sender in {"ana", "mallory", "acme-deployer[bot]"}
    assert Event.from_json(event.to_json()) == event


@pytest.mark.parametrize(("name", "refusal"), REFUSALS.items())
def test_why_an_event_starts_nothing(name: str, refusal: str) -> None:
    event = read(name)
    assert (event.means, event.refusal) == ("nothing", refusal)


def test_the_commit_of_an_annotated_tag_is_not_the_tags_own_object() -> None:
    assert read("push_annotated_tag").sha == "a" * 40
    assert read("push_tag").ref == "refs/tags/v1.4.0"


def test_a_fork_whose_branch_is_called_as_ours_counts_not_even_for_a_push() -> None:
    raw = payload("workflow_run_of_fork")
    raw["workflow_run"]["event"] = "push"
    assert (
        read_event("workflow_run", raw).refusal == "the checks are from a fork, whatever its branch is called"
    )
    raw["workflow_run"]["head_repository"] = None
    assert (
        read_event("workflow_run", raw).refusal == "the checks are from a fork, whatever its branch is called"
    )


def test_case_makes_no_fork_of_our_own_repository() -> None:
    raw = payload("pull_request_opened")
    raw["pull_request"]["head"]["repo"]["full_name"] = "Acme/Shop"
    assert not read_event("pull_request", raw).foreign


def test_checks_of_no_branch_belong_to_a_fork() -> None:
    raw = payload("check_suite_completed")
    raw["check_suite"]["head_branch"] = None
    assert read_event("check_suite", raw).refusal == "the checks belong to no branch of this repository"


def test_bots_are_known_by_type_and_by_name() -> None:
    assert read("push_by_bot").bot
    assert read("push_branch", sender={"login": "x[bot]", "type": "User"}).bot
    assert not read("push_branch", sender=None).bot


def test_refs_that_are_neither_branch_nor_tag_start_nothing() -> None:
    assert read("push_branch", ref="refs/pull/7/head").refusal == "it is neither a branch nor a tag"


def test_a_draft_is_no_release() -> None:
    raw = payload("release_published")
    raw["release"]["draft"] = True
    assert read_event("release", raw).refusal == "the release is a draft"
    raw["action"] = "deleted"
    assert read_event("release", raw).refusal == "a release that is deleted starts nothing"


def test_an_unknown_event_starts_nothing() -> None:
    assert read_event("star", {"action": "created"}) == Event(
        name="star", action="created", refusal="the event star starts nothing"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"after": None}, "after: Input should be a valid string"),
        ({"after": "A" * 40}, "after: String should match pattern"),
        ({"ref": 7}, "ref: Input should be a valid string"),
        ({"ref": "x" * 2000}, "ref: String should have at most 1024 characters"),
        ({"repository": []}, "repository: Input should be"),
        ({"head_commit": {"id": "main"}}, "head_commit.id: String should match"),
        ({"deleted": "false"}, "deleted: Input should be a valid boolean"),
        ({"ref": "refs/heads/\ud800"}, "ref: Input should be a valid string"),
    ],
)
def test_what_is_not_githubs_is_told_without_repeating_it(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MalformedPayloadError, match=f"the payload of push is not GitHub's: {said}") as told:
        read("push_branch", **changes)
    assert len(str(told.value).splitlines()) == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [before] if before else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += paths(one, (*before, key))
    return found


@given(st.data())
def test_whatever_a_payload_holds_it_is_read_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    raw = payload(name)
    path = data.draw(st.sampled_from(paths(raw)))
    inside = raw
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = data.draw(ANYTHING)
    assert_read_or_refused(event_of(name), raw)


@given(ANYTHING, st.sampled_from([*EVENTS, "star"]))
@example({"action": "\ud800"}, "star")
def test_anything_at_all(raw: Any, name: str) -> None:
    assert_read_or_refused(name, raw)


def assert_read_or_refused(name: str, raw: Any) -> None:
    told = ""
    try:
        event = read_event(name, raw)
    except MalformedPayloadError as error:
        told = str(error)
    if told:
        assert len(told.splitlines()) == 1
    else:
        assert Event.from_json(event.to_json()) == event
    repository_of(raw)
