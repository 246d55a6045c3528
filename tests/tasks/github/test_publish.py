"""What is shown on GitHub, written through PyGithub to the fake that follows GitHub's descriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from blocks.values.publication import (
    CommitStatusWish,
    DeploymentStateWish,
    DeploymentWish,
    ReleaseWish,
)
from tasks.github.client import GitHubClient, Patience, log_in, log_in_as_app
from tasks.github.refusals import ChangeRefusedError
from tasks.github.shower import GitHubShow
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.protocols import GitHubShower
from tests.fakes.github import REPOSITORY, TOKEN, App, FakeGitHub, Fault, shapes
from tests.fakes.github.pulls import push_branch
from tests.fakes.github.showing import comments_on

SHA, OLD = "a" * 40, "b" * 40
MARK = "<!-- sluice: shop -->"
MERGED = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
STATUS = CommitStatusWish(sha=SHA, context="sluice/prod", state="pending", description="promote: under way")
RELEASE = ReleaseWish(tag="v1.0.0", name="v1.0.0", body="notes", prerelease=False)


def deployment(key: str = "run-1", sha: str = SHA, environment: str = "staging") -> DeploymentWish:
    return DeploymentWish(
        sha=sha,
        environment=environment,
        production=environment == "prod",
        description="promote of shop",
        promotion=1,
        key=key,
    )


def state(word: str, description: str = "") -> DeploymentStateWish:
    return DeploymentStateWish.model_validate(
        {"state": word, "description": description or word, "log_url": "http://prefect.example/runs/1"}
    )


@pytest.fixture(autouse=True)
def _known(github: FakeGitHub) -> None:
    for sha in (SHA, OLD):
        github.push(sha)
    push_branch(github, "main", SHA)
    github.shown.files["main"] = {"CHANGELOG.md": "# Changelog\n", "docs/a.md": "a"}


@pytest.fixture
def api(github: FakeGitHub) -> Iterator[GitHubShower]:
    made = GitHubShow(GitHubClient(REPOSITORY, log_in(TOKEN), github.base, Patience(0.0, 5, 60.0)))
    yield made
    made.close()


def writes(github: FakeGitHub) -> list[str]:
    return [method for method, _ in github.asked if method != "GET"]


def test_a_deployment_is_made_once_and_found_again(github: FakeGitHub, api: GitHubShower) -> None:
    # A check that runs does not hold it up: the gates have asked already.
    github.report_status(SHA, "ci", "pending")
    number = api.ensure_deployment(deployment())
    assert api.ensure_deployment(deployment()) == number
    assert api.find_deployment(deployment()) == number
    assert api.find_deployment(deployment("run-2")) == 0
    (made,) = github.shown.deployments
    assert (made["ref"], made["environment"], made["production_environment"]) == (SHA, "staging", False)
    assert made["payload"] == {"sluice": {"promotion": 1, "key": "run-1"}}


def test_a_deployment_whose_payload_comes_back_as_text(github: FakeGitHub, api: GitHubShower) -> None:
    number = api.ensure_deployment(deployment())
    github.shown.deployments[0]["payload"] = '{"sluice": {"promotion": 1, "key": "run-1"}}'
    assert api.find_deployment(deployment()) == number
    for foreign in ("", "[]", "not JSON", {}, {"sluice": "no"}):
        github.shown.deployments[0]["payload"] = foreign
        assert api.find_deployment(deployment()) == 0


def test_a_commit_github_does_not_have(api: GitHubShower) -> None:
    with pytest.raises(ChangeRefusedError, match="cannot create a deployment in acme/shop: No ref found for"):
        api.ensure_deployment(deployment(sha="c" * 40))


def test_a_state_is_written_where_it_differs(github: FakeGitHub, api: GitHubShower) -> None:
    number = api.ensure_deployment(deployment())
    assert api.ensure_deployment_state(number, state("queued"))
    assert not api.ensure_deployment_state(number, state("queued"))
    assert api.ensure_deployment_state(number, state("pending", "waiting for approvals"))
    assert api.ensure_deployment_state(number, state("success"))
    assert github.shown.states_of("staging") == {SHA: ["queued", "pending", "success"]}
    last = github.shown.states[number][0]
    assert last["log_url"] == last["target_url"] == "http://prefect.example/runs/1"


def test_github_closes_what_ran_before_but_not_in_production(github: FakeGitHub, api: GitHubShower) -> None:
    for environment in ("staging", "prod"):
        for sha in (OLD, SHA):
            number = api.ensure_deployment(deployment(f"{environment}-{sha}", sha, environment))
            api.ensure_deployment_state(number, state("success"))
    assert github.shown.states_of("staging") == {OLD: ["success", "inactive"], SHA: ["success"]}
    assert github.shown.states_of("prod") == {OLD: ["success"], SHA: ["success"]}
    # Closed by GitHub is closed: its own line differs, and nothing is written again.
    old = api.find_deployment(deployment(f"staging-{OLD}", OLD))
    assert not api.ensure_deployment_state(old, state("inactive", "another release runs now"))


def test_a_commit_status_is_written_where_it_differs(github: FakeGitHub, api: GitHubShower) -> None:
    assert api.ensure_commit_status(STATUS)
    assert not api.ensure_commit_status(STATUS)
    github.report_status(SHA, "ci", "success")
    assert not api.ensure_commit_status(STATUS)
    done = STATUS.model_copy(update={"state": "success", "target_url": "http://prefect.example/runs/1"})
    assert api.ensure_commit_status(done)
    assert not api.ensure_commit_status(done)
    said = github.shown.status_of(SHA, "sluice/prod")
    assert [one for one, _ in said] == ["pending", "success"]


def test_one_comment_is_kept_up_to_date(github: FakeGitHub, api: GitHubShower) -> None:
    github.open_pull(7, SHA, author="ada", head=SHA)
    assert api.ensure_comment(7, MARK, f"{MARK}\nruns in staging\n")
    # GitHub keeps no newline at the end, and gives lines back its own way.
    github.pull_state.comments[7][0]["body"] = f"{MARK}\r\nruns in staging"
    assert not api.ensure_comment(7, MARK, f"{MARK}\nruns in staging\n")
    assert api.ensure_comment(7, MARK, f"{MARK}\nruns in prod\n")
    assert comments_on(github, 7) == [f"{MARK}\nruns in prod\n"]


def test_what_others_wrote_is_left_alone(github: FakeGitHub, api: GitHubShower) -> None:
    github.open_pull(7, SHA, author="ada", head=SHA)
    for number in range(150):
        author = "mallory" if number % 2 else "sluice-bot"
        text = f"{MARK}\nmine" if author == "mallory" else f"no mark {MARK}"
        made = {"id": 5000 + number, "body": text, "user": shapes.user(github.base, author)}
        github.pull_state.comments.setdefault(7, []).append(made)
    assert api.ensure_comment(7, MARK, f"{MARK}\nruns in prod\n")
    assert api.ensure_comment(7, MARK, f"{MARK}\nruns nowhere\n")
    texts = comments_on(github, 7)
    assert (len(texts), texts[-1]) == (151, f"{MARK}\nruns nowhere\n")
    assert f"{MARK}\nmine" in texts


def test_two_comments_of_ours_become_one(github: FakeGitHub, api: GitHubShower) -> None:
    github.open_pull(7, SHA, author="ada", head=SHA)
    for number in (1, 2, 3):
        made = {"id": number, "body": f"{MARK}\n{number}", "user": shapes.user(github.base, "sluice-bot")}
        github.pull_state.comments.setdefault(7, []).append(made)
    assert api.ensure_comment(7, MARK, f"{MARK}\n1")
    assert comments_on(github, 7) == [f"{MARK}\n1"]


def test_an_app_knows_its_own_comments(github: FakeGitHub) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    github.app = App(7, 8, public.decode())
    github.open_pull(7, SHA, author="ada", head=SHA)
    foreign = {"id": 1, "body": f"{MARK}\nx", "user": shapes.user(github.base, "other[bot]")}
    github.pull_state.comments[7] = [foreign]
    api = GitHubShow(GitHubClient(REPOSITORY, log_in_as_app(7, 8, pem), github.base))
    assert api.ensure_comment(7, MARK, f"{MARK}\nruns in staging")
    assert api.ensure_comment(7, MARK, f"{MARK}\nruns in prod")
    assert comments_on(github, 7) == [f"{MARK}\nx", f"{MARK}\nruns in prod"]
    api.close()


def test_a_release_is_made_once_and_a_persons_stays(github: FakeGitHub, api: GitHubShower) -> None:
    assert api.ensure_release(RELEASE)
    assert not api.ensure_release(RELEASE.model_copy(update={"body": "other notes"}))
    assert github.shown.releases["v1.0.0"]["body"] == "notes"
    assert not github.shown.releases["v1.0.0"]["draft"]


def test_a_release_somebody_makes_at_the_same_moment(github: FakeGitHub, api: GitHubShower) -> None:
    github.faults.append(Fault("/releases/tags/", 404, "Not Found"))
    github.shown.releases["v1.0.0"] = {"body": "by hand"}
    assert not api.ensure_release(RELEASE)
    with pytest.raises(ChangeRefusedError, match="Validation Failed"):
        api.ensure_release(RELEASE.model_copy(update={"tag": "v2.0.0", "body": "x" * 125_001}))


def test_the_pull_requests_whose_merges_made_commits(github: FakeGitHub, api: GitHubShower) -> None:
    for number in range(1, 131):
        sha = f"{number:040x}"
        github.open_pull(
            number, sha, author="ada", head=HEADS[number % 2], merge_commit=sha, merged_at=MERGED
        )
        github.pulls[sha][0]["updated_at"] = shapes.stamp(MERGED + timedelta(minutes=number))
    github.open_pull(131, f"{131:040x}", author="ada", head=SHA)
    wanted = frozenset(f"{number:040x}" for number in (3, 7, 130, 131))
    found = api.merged(wanted, MERGED)
    assert [pull.number for pull in found] == [130, 7, 3]
    assert found[0].title == "Change 130"
    pages = [path for _, path in github.asked if "/pulls?" in path]
    assert len(pages) == 2
    # What did not change since brought none of them: nothing older is read.
    github.asked.clear()
    assert [pull.number for pull in api.merged(wanted, MERGED + timedelta(minutes=100))] == [130]
    assert len(github.asked) == 1


HEADS = ("c" * 40, "d" * 40)


def test_a_file_is_changed_on_a_branch_of_its_own(github: FakeGitHub, api: GitHubShower) -> None:
    assert api.ensure_branch("sluice/changelog-v1.0.0", "main")
    assert not api.ensure_branch("sluice/changelog-v1.0.0", "main")
    there = api.read_file("CHANGELOG.md", "sluice/changelog-v1.0.0")
    assert there is not None
    assert there.text == "# Changelog\n"
    api.write_file(
        "CHANGELOG.md", "größer\n", branch="sluice/changelog-v1.0.0", message="Entry", blob=there.blob
    )
    assert github.shown.files["main"]["CHANGELOG.md"] == "# Changelog\n"
    again = api.read_file("CHANGELOG.md", "sluice/changelog-v1.0.0")
    assert again is not None
    assert again.text == "größer\n"
    with pytest.raises(ChangeRefusedError, match="does not match") as refused:
        api.write_file("CHANGELOG.md", "x", branch="sluice/changelog-v1.0.0", message="x", blob=there.blob)
    assert refused.value.status == 409


def test_a_file_that_is_none(github: FakeGitHub, api: GitHubShower) -> None:
    assert api.read_file("NEWS.md", "main") is None
    assert api.read_file("CHANGELOG.md", "gone") is None
    with pytest.raises(TerminalError, match="docs on GitHub is no text file"):
        api.read_file("docs", "main")
    with pytest.raises(TerminalError, match="has no branch gone"):
        api.ensure_branch("sluice/x", "gone")


def test_a_pull_request_is_opened_once(github: FakeGitHub, api: GitHubShower) -> None:
    api.ensure_branch("sluice/x", "main")
    assert api.open_pull("sluice/x", "main", "Title", "Body") is None
    api.write_file("a", "a", branch="sluice/x", message="a", blob="")
    pull = api.open_pull("sluice/x", "main", "Title", "Body")
    again = api.open_pull("sluice/x", "main", "Title", "Body")
    last = api.latest_pull("sluice/x", "main")
    assert pull is not None
    assert again is not None
    assert last is not None
    assert (pull.title, pull.open, pull.base) == ("Title", True, "main")
    assert pull.number == again.number == last.number
    assert api.latest_pull("sluice/y", "main") is None


@pytest.mark.parametrize(
    ("permission", "act", "said"),
    [
        ("deployments", lambda api: api.ensure_deployment(deployment()), "deployments=write"),
        ("statuses", lambda api: api.ensure_commit_status(STATUS), "statuses=write"),
        ("pull_requests", lambda api: api.ensure_comment(7, MARK, f"{MARK}\nx"), "pull_requests=write"),
        ("contents", lambda api: api.ensure_release(RELEASE), "contents=write"),
    ],
)
def test_a_permission_that_is_missing_is_named(
    github: FakeGitHub, api: GitHubShower, permission: str, act: Callable[[GitHubShower], object], said: str
) -> None:
    github.open_pull(7, SHA, author="ada", head=SHA)
    github.tokens[TOKEN] -= {f"{permission}:write"}
    with pytest.raises(TerminalError, match=said):
        act(api)
    github.tokens[TOKEN] -= {permission}
    with pytest.raises(TerminalError, match=f"{permission}=read"):
        act(api)


def test_no_pause_is_made_where_github_asks_for_one(github: FakeGitHub, api: GitHubShower) -> None:
    github.faults.append(
        Fault("/statuses/", 403, "You have exceeded a secondary rate limit", {"Retry-After": "9"})
    )
    with pytest.raises(TransientError, match="rate limit is used up"):
        api.ensure_commit_status(STATUS)
    assert writes(github) == ["POST"]


def test_after_its_time_nothing_more_is_asked(github: FakeGitHub) -> None:
    api = GitHubShow(GitHubClient(REPOSITORY, log_in(TOKEN), github.base, Patience(0.0, 5, 0.0)))
    with pytest.raises(TransientError, match="took longer than 0 s in all"):
        api.ensure_commit_status(STATUS)
    assert github.asked == []
    api.close()
