"""GitHub through PyGithub, over HTTP from the fake that follows GitHub's descriptions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from blocks.values.github import ProtectionFact, RequiredCheck
from tasks.github.client import GitHubClient, log_in, log_in_as_app
from tasks.github.read import GitHubApi
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.protocols import GitHubReader
from tasks.kernel.redact import process_redactor
from tests.fakes.github import REPOSITORY, TOKEN, App, FakeGitHub, Fault, shapes
from tests.tasks.github.keys import new_keys

SHA = "a" * 40
HEAD = "b" * 40
MERGED = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


@pytest.fixture(autouse=True)
def _known(github: FakeGitHub) -> None:
    github.push(SHA)


@pytest.fixture
def api(github: FakeGitHub) -> Iterator[GitHubReader]:
    made = GitHubApi(GitHubClient(REPOSITORY, log_in(TOKEN), github.base))
    yield made
    made.close()


def test_statuses_and_check_runs_of_all_pages(github: FakeGitHub, api: GitHubReader) -> None:
    for number in range(101):
        github.report_status(SHA, f"status {number}", "success")
    for number in range(201):
        github.report_run(SHA, f"run {number}", "success")
    found = api.checks(SHA)
    assert {one.name for one in found if one.kind == "status"} == {f"status {n}" for n in range(101)}
    assert {one.name for one in found if one.kind == "run"} == {f"run {n}" for n in range(201)}
    assert len(github.asked) == 2 + 3


@pytest.mark.parametrize("state", ["queued", "in_progress", "waiting", "requested", "pending"])
def test_a_run_that_has_not_ended_is_pending(github: FakeGitHub, api: GitHubReader, state: str) -> None:
    github.report_run(SHA, "test", state, None)
    (found,) = api.checks(SHA)
    assert (found.state, found.app_id) == ("pending", None)


def test_what_is_known_of_a_check(github: FakeGitHub, api: GitHubReader) -> None:
    github.report_status(SHA, "ci/build", "failure")
    github.report_status(SHA, "ci/build", "success")
    github.report_run(SHA, "test", "timed_out")
    status, run = api.checks(SHA)
    assert (status.kind, status.name, status.state) == ("status", "ci/build", "success")
    assert status.link.startswith(f"{github.base}/ci/")
    assert (run.kind, run.name, run.state, run.app_id) == ("run", "test", "timed_out", 15368)
    assert run.link.startswith(f"{github.base}/{REPOSITORY}/runs/")


def test_the_pull_requests_of_a_commit(github: FakeGitHub, api: GitHubReader) -> None:
    github.open_pull(7, SHA, author="ada", head=HEAD, merge_commit=SHA, merged_at=MERGED)
    github.open_pull(8, SHA, author=None, head=SHA, base_branch="staging")
    merged, opened = api.pulls(SHA)
    assert (merged.number, merged.author, merged.head, merged.base) == (7, "ada", HEAD, "main")
    assert (merged.merged_at, merged.merge_commit) == (MERGED, SHA)
    assert merged.link == f"{github.base}/{REPOSITORY}/pull/7"
    assert (opened.author, opened.base, opened.merged_at, opened.merge_commit) == ("", "staging", None, "")


def test_reviews_and_who_of_the_reviewers_may_write(github: FakeGitHub, api: GitHubReader) -> None:
    github.open_pull(7, SHA, author="ada", head=HEAD)
    for login, role in (("ben", "write"), ("cy", "triage"), ("dee", "maintain"), ("eve", "admin")):
        github.review(7, login, "APPROVED", HEAD, role)
    github.review(7, "ben", "PENDING", HEAD)
    github.review(7, None, "APPROVED", HEAD)
    github.review(7, "some-app[bot]", "APPROVED", HEAD)
    del github.roles["some-app[bot]"]
    found = api.reviews(7)
    told = [(one.reviewer, one.state, one.may_write) for one in found]
    assert told == [
        ("ben", "APPROVED", True),
        ("cy", "APPROVED", False),
        ("dee", "APPROVED", True),
        ("eve", "APPROVED", True),
        ("ben", "PENDING", True),
        ("", "APPROVED", False),
        ("some-app[bot]", "APPROVED", False),
    ]
    assert found[4].submitted_at is None
    assert found[0].commit == HEAD


def test_reviews_of_all_pages(github: FakeGitHub, api: GitHubReader) -> None:
    github.open_pull(7, SHA, author="ada", head=HEAD)
    for _ in range(150):
        github.review(7, "ben", "COMMENTED", HEAD)
    assert len(api.reviews(7)) == 150


def test_branch_protection(github: FakeGitHub, api: GitHubReader) -> None:
    github.branches["main"] = shapes.protection(reviews=2, checks={"test": 15368, "lint": None, "any": -1})
    found = api.protection("main", details=True)
    assert (found.pull_requests, found.reviews, found.no_force_push, found.no_deletion) == (
        True,
        2,
        True,
        True,
    )
    assert found.required == (
        RequiredCheck(name="test", app_id=15368),
        RequiredCheck(name="lint"),
        RequiredCheck(name="any"),
    )


def test_rulesets_protect_as_well(github: FakeGitHub, api: GitHubReader) -> None:
    github.branches["release/1"] = None
    checks = [{"context": f"check {n}", "integration_id": 5} for n in range(3)]
    github.rules["release/1"] = [
        shapes.rule("pull_request", required_approving_review_count=3),
        shapes.rule("required_status_checks", required_status_checks=checks),
        *(shapes.rule("creation") for _ in range(120)),
        shapes.rule("non_fast_forward"),
        shapes.rule("deletion"),
    ]
    found = api.protection("release/1", details=True)
    assert (found.pull_requests, found.reviews, found.no_force_push, found.no_deletion) == (
        True,
        3,
        True,
        True,
    )
    assert [one.name for one in found.required] == ["check 0", "check 1", "check 2"]


def test_a_branch_that_nothing_protects(github: FakeGitHub, api: GitHubReader) -> None:
    github.branches["main"] = None
    found = api.protection("main", details=True)
    assert found == ProtectionFact(branch="main", link=found.link)


def test_required_names_need_no_administrator(github: FakeGitHub, api: GitHubReader) -> None:
    github.tokens[TOKEN] -= {"administration"}
    github.branches["main"] = shapes.protection(checks={"test": None})
    assert api.protection("main", details=False).required == (RequiredCheck(name="test"),)
    with pytest.raises(
        TerminalError, match="does not let the login read the branch protection in acme/shop"
    ) as told:
        api.protection("main", details=True)
    assert "give it the permission administration=read" in str(told.value)


def test_the_budget_costs_nothing(github: FakeGitHub, api: GitHubReader) -> None:
    found = api.budget()
    assert (found.limit, found.remaining) == (5000, 5000)
    assert found.resets_at > datetime.now(UTC)


def test_pages_for_people(api: GitHubReader) -> None:
    token = log_in(TOKEN)
    assert (
        GitHubApi(GitHubClient("acme/shop", token)).commit_page(SHA)
        == f"https://github.com/acme/shop/commit/{SHA}"
    )
    ghes = GitHubApi(GitHubClient("acme/shop", token, "https://git.acme.com/api/v3"))
    assert ghes.commit_page(SHA) == f"https://git.acme.com/acme/shop/commit/{SHA}"
    tenant = GitHubApi(GitHubClient("acme/shop", token, "https://api.acme.ghe.com"))
    assert tenant.commit_page(SHA) == f"https://acme.ghe.com/acme/shop/commit/{SHA}"


# -- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_secondary_rate_limit_is_waited_for(github: FakeGitHub, api: GitHubReader) -> None:
    github.report_run(SHA, "test", "success")
    github.faults += [
        Fault("check-runs", 403, SECONDARY, {"Retry-After": "1"}),
        Fault("check-runs", 429, SECONDARY, {"Retry-After": "1"}),
    ]
    started = time.monotonic()
    assert [one.name for one in api.checks(SHA)] == ["test"]
    assert time.monotonic() - started >= 2


def test_a_limit_that_lasts_is_not_waited_for(github: FakeGitHub, api: GitHubReader) -> None:
    github.remaining = 0
    started = time.monotonic()
    with pytest.raises(
        TransientError, match="rate limit is used up while it was to read the checks of the commit"
    ):
        api.checks(SHA)
    # The limit's hour is over in 30 minutes.
    assert time.monotonic() - started < 300
    assert len(github.asked) == 1
    github.remaining = 100
    github.faults.append(Fault("/status", 403, SECONDARY, {"Retry-After": "900"}))
    with pytest.raises(TransientError, match="rate limit"):
        api.checks(SHA)


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_a_server_in_trouble_is_tried_again_by_the_step(
    github: FakeGitHub, api: GitHubReader, status: int
) -> None:
    github.faults.append(Fault("/status", status, "Server Error"))
    with pytest.raises(TransientError, match=f"status {status} for the checks of the commit in acme/shop"):
        api.checks(SHA)
    assert api.checks(SHA) == ()


def test_a_servers_page_for_people_is_trouble_as_well(github: FakeGitHub, api: GitHubReader) -> None:
    github.faults.append(Fault("/status", 502, body="<html>Unicorn!</html>"))
    with pytest.raises(TransientError, match="status 502"):
        api.checks(SHA)


def test_a_page_in_trouble_does_not_pass_for_the_end(github: FakeGitHub, api: GitHubReader) -> None:
    for number in range(150):
        github.report_run(SHA, f"run {number}", "success")
    github.faults += [Fault("check-runs", 200, times=0), Fault("check-runs", 502, "Bad Gateway", times=1)]
    with pytest.raises(TransientError):
        api.checks(SHA)


def test_nobody_answers(github: FakeGitHub) -> None:
    silent = GitHubApi(GitHubClient(REPOSITORY, log_in(TOKEN), "http://127.0.0.1:9"))
    with pytest.raises(TransientError, match="GitHub does not answer about acme/shop") as told:
        silent.checks(SHA)
    assert TOKEN not in str(told.value)


def test_a_wrong_token(github: FakeGitHub) -> None:
    wrong = GitHubApi(GitHubClient(REPOSITORY, log_in("wrong-token-1"), github.base))
    with pytest.raises(
        TerminalError, match="refused the login for acme/shop: Bad credentials — renew the token"
    ):
        wrong.checks(SHA)


@pytest.mark.parametrize(
    ("missing", "permission"),
    [
        ("checks", "checks=read"),
        ("statuses", "statuses=read"),
        ("pull_requests", "pull_requests=read"),
    ],
)
def test_a_missing_permission_is_named(
    github: FakeGitHub, api: GitHubReader, missing: str, permission: str
) -> None:
    github.tokens[TOKEN] -= {missing}
    with pytest.raises(TerminalError, match="not accessible by personal access token") as told:
        (api.pulls if missing == "pull_requests" else api.checks)(SHA)
    assert permission in str(told.value)


def test_a_permission_github_does_not_name_is_named_nevertheless(
    github: FakeGitHub, api: GitHubReader
) -> None:
    github.faults.append(Fault("/status", 403, "Resource not accessible by integration"))
    with pytest.raises(TerminalError, match="give it the permission Commit statuses: read and Checks: read"):
        api.checks(SHA)


def test_a_repository_the_login_does_not_see(github: FakeGitHub) -> None:
    other = GitHubApi(GitHubClient("acme/other", log_in(TOKEN), github.base))
    with pytest.raises(
        TerminalError, match="does not let the login see the checks of the commit in acme/other"
    ) as told:
        other.checks(SHA)
    assert "check the repository in the github block" in str(told.value)


def test_a_commit_github_does_not_have(api: GitHubReader) -> None:
    with pytest.raises(TerminalError, match="No commit found for SHA: c+ — push the commit to GitHub"):
        api.checks("c" * 40)
    with pytest.raises(TerminalError, match="No commit found"):
        api.pulls("c" * 40)


def test_a_branch_github_does_not_have(api: GitHubReader) -> None:
    with pytest.raises(TerminalError, match="does not let the login see the branch in acme/shop"):
        api.protection("gone", details=False)


def test_more_than_is_read_is_refused(github: FakeGitHub, api: GitHubReader) -> None:
    github.open_pull(7, SHA, author="ada", head=HEAD)
    github.reviews[7] = [
        shapes.review(github.base, REPOSITORY, 7, n, reviewer=None, state="COMMENTED", commit=HEAD)
        for n in range(1001)
    ]
    with pytest.raises(TerminalError, match="more than 1000 entries"):
        api.reviews(7)
    github.branches["main"] = None
    github.rules["main"] = [shapes.rule("creation") for _ in range(1000)]
    with pytest.raises(TerminalError, match="more than 1000 entries"):
        api.protection("main", details=False)


@pytest.mark.parametrize("body", ["<html>hello</html>", "[]", '"text"', "{}"])
def test_something_else_answers(github: FakeGitHub, api: GitHubReader, body: str) -> None:
    github.branches["main"] = None
    github.faults.append(Fault("branches/main", 200, body=body, times=2))
    with pytest.raises(TerminalError, match="is not its API"):
        api.protection("main", details=False)


# -- an app ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """An app's private and public key."""
    return new_keys()


def test_an_app_logs_in_and_its_token_is_redacted(github: FakeGitHub, keys: tuple[str, str]) -> None:
    github.app = App(7, 8, keys[1])
    app = GitHubApi(GitHubClient(REPOSITORY, log_in_as_app(7, 8, keys[0]), github.base))
    assert app.checks(SHA) == ()
    assert app.checks(SHA) == ()
    logins = [path for method, path in github.asked if method == "POST"]
    assert logins == ["/app/installations/8/access_tokens"]
    (token,) = set(github.tokens) - {TOKEN}
    assert token not in process_redactor().text(f"token {token} leaked")


@pytest.mark.parametrize(("app_id", "installation"), [(6, 8), (7, 9)])
def test_an_app_that_is_not_installed(
    github: FakeGitHub, keys: tuple[str, str], app_id: int, installation: int
) -> None:
    github.app = App(7, 8, keys[1])
    app = GitHubApi(GitHubClient(REPOSITORY, log_in_as_app(app_id, installation, keys[0]), github.base))
    with pytest.raises(
        TerminalError, match="refused the app's login for acme/shop: Not Found — check app_id"
    ):
        app.checks(SHA)


def test_an_apps_key_that_is_none(github: FakeGitHub) -> None:
    app = GitHubApi(GitHubClient(REPOSITORY, log_in_as_app(7, 8, "no key at all"), github.base))
    with pytest.raises(TerminalError, match="private key for acme/shop cannot be read") as told:
        app.checks(SHA)
    assert "no key at all" not in str(told.value)


def test_an_apps_login_in_trouble_is_tried_again(github: FakeGitHub, keys: tuple[str, str]) -> None:
    github.app = App(7, 8, keys[1])
    github.faults.append(Fault("access_tokens", 502, "Bad Gateway"))
    app = GitHubApi(GitHubClient(REPOSITORY, log_in_as_app(7, 8, keys[0]), github.base))
    with pytest.raises(TransientError):
        app.checks(SHA)
    assert app.checks(SHA) == ()
