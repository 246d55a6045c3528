"""Pull requests through PyGithub, over HTTP from the fake that refuses as GitHub does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from blocks.values.pull_requests import ChangedFile
from tasks.github.client import GitHubClient, log_in
from tasks.github.pulls import GitHubPulls
from tasks.github.refusals import ChangeRefusedError
from tasks.kernel.errors import TerminalError, TransientError
from tests.fakes.github import REPOSITORY, TOKEN, FakeGitHub, Fault, pulls, shapes
from tests.fakes.github.server import EVERYTHING

HEAD, NEXT = "a" * 40, "b" * 40


@pytest.fixture(autouse=True)
def _known(github: FakeGitHub) -> None:
    """The fake as new, at the same address, with a protected branch and a pushed one."""
    github.branches["main"] = shapes.protection(reviews=1, checks={"test": None})
    pulls.push_branch(github, "feature/cents", HEAD, files={"docs/a.md": None})


@pytest.fixture
def api(github: FakeGitHub) -> Iterator[GitHubPulls]:
    client = GitHubClient(REPOSITORY, log_in(TOKEN), github.base)
    yield GitHubPulls(client)
    client.close()


def number_of(github: FakeGitHub, author: str = "ana", **given: bool | str) -> int:
    made = pulls.open_request(github, "feature/cents", "main", author=author, **given)  # type: ignore[arg-type]
    return int(made["number"])


def writes(github: FakeGitHub) -> list[str]:
    return [f"{method} {path.partition('?')[0]}" for method, path in github.asked if method != "GET"]


# -- opening -----------------------------------------------------------------------------------------------------------


def test_one_is_opened_and_found_again(github: FakeGitHub, api: GitHubPulls) -> None:
    made = api.open_pull("feature/cents", "main", "Cents", "Why", draft=True)
    assert made is not None
    assert (made.title, made.head, made.base, made.draft) == ("Cents", HEAD, "main", True)
    assert (made.author, made.head_repository, made.open) == (pulls.BOT, REPOSITORY, True)
    assert github.pull_state.known[made.number]["body"] == "Why"
    again = api.open_pull("feature/cents", "main", "Other", "Other")
    assert again is not None
    assert again.number == made.number
    assert writes(github) == [f"POST /repos/{REPOSITORY}/pulls"]
    assert [one.number for one in api.open_pulls(base="main")] == [made.number]
    assert api.open_pulls("feature/other") == ()


def test_somebody_else_is_quicker(github: FakeGitHub, api: GitHubPulls) -> None:
    number = number_of(github)
    # The first look finds nothing, as a moment before; GitHub then says that there is one.
    github.faults.append(Fault("/pulls", 200, body="[]"))
    found = api.open_pull("feature/cents", "main", "Cents", "")
    assert found is not None
    assert found.number == number
    assert writes(github) == [f"POST /repos/{REPOSITORY}/pulls"]


def test_nothing_to_bring(github: FakeGitHub, api: GitHubPulls) -> None:
    github.pull_state.branches["feature/cents"].commits.clear()
    assert api.open_pull("feature/cents", "main", "Cents", "") is None


def test_what_github_refuses_is_one_line(github: FakeGitHub, api: GitHubPulls) -> None:
    github.pull_state.allow_drafts = False
    with pytest.raises(ChangeRefusedError) as refused:
        api.open_pull("feature/cents", "main", "Cents", "", draft=True)
    assert refused.value.status == 422
    assert str(refused.value) == (
        "GitHub cannot open a pull request from feature/cents into main in acme/shop: Validation Failed: Draft pull "
        "requests are not supported in this repository. — look at it on GitHub"
    )
    with pytest.raises(ChangeRefusedError, match="Validation Failed"):
        api.open_pull("feature/cents", "gone", "Cents", "")


def test_a_permission_that_is_missing_is_named(github: FakeGitHub, api: GitHubPulls) -> None:
    github.tokens[TOKEN] = EVERYTHING - {"pull_requests:write"}
    with pytest.raises(TerminalError, match="give it the permission pull_requests=write"):
        api.open_pull("feature/cents", "main", "Cents", "")


def test_a_secondary_rate_limit_is_paused_for(github: FakeGitHub, api: GitHubPulls) -> None:
    github.pull_state.refused_writes = 1
    made = api.open_pull("feature/cents", "main", "Cents", "")
    assert made is not None
    assert len(writes(github)) == 2
    assert len(github.pull_state.known) == 1


def test_the_last_one_counts_open_or_closed(github: FakeGitHub, api: GitHubPulls) -> None:
    assert api.latest_pull("feature/cents", "main") is None
    first = number_of(github)
    github.pull_state.known[first]["state"] = "closed"
    assert (found := api.latest_pull("feature/cents", "main"))
    assert (found.number, found.open, found.merged) == (first, False, False)
    second = number_of(github)
    assert (found := api.latest_pull("feature/cents", "main"))
    assert (found.number, found.open) == (second, True)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_commits_and_files_of_all_pages(github: FakeGitHub, api: GitHubPulls) -> None:
    content = github.pull_state.branches["feature/cents"]
    content.commits.update({f"{number:040x}": "ana" for number in range(120)} | {NEXT: None})
    content.files.update({f"docs/{number}.md": None for number in range(120)} | {"b.md": "a.md"})
    number = number_of(github)
    found = api.pull(number)
    assert (found.commits, found.changed_files) == (122, 122)
    authors, files = api.authors(number), api.files(number)
    assert len(authors) == len(files) == 122
    assert authors[-1] == ""
    assert set(authors[:-1]) == {"ana"}
    assert files[-1] == ChangedFile(path="b.md", previous_path="a.md")


def test_a_fork_and_an_account_that_is_gone(github: FakeGitHub, api: GitHubPulls) -> None:
    number = number_of(github, fork="eve/shop")
    assert api.pull(number).head_repository == "eve/shop"
    github.pull_state.known[number]["head"]["repo"] = None
    github.pull_state.known[number]["user"] = None
    found = api.pull(number)
    assert (found.head_repository, found.author) == ("", "")


def test_an_unknown_one(api: GitHubPulls) -> None:
    with pytest.raises(
        TerminalError, match="GitHub does not let the login see pull request #999 in acme/shop"
    ):
        api.pull(999)


# -- approving ---------------------------------------------------------------------------------------------------------


def test_exactly_one_commit_is_approved_once(github: FakeGitHub, api: GitHubPulls) -> None:
    number = number_of(github)
    pull = api.pull(number)
    assert api.approve(pull, "Fine")
    assert not api.approve(pull, "Fine")
    (review,) = github.reviews[number]
    assert (review["state"], review["commit_id"], review["body"]) == ("APPROVED", HEAD, "Fine")
    pulls.push_branch(github, "feature/cents", NEXT)
    assert api.approve(api.pull(number), "Fine")


def test_what_is_ones_own_cannot_be_approved(github: FakeGitHub, api: GitHubPulls) -> None:
    pull = api.pull(number_of(github, author=pulls.BOT))
    with pytest.raises(ChangeRefusedError, match="Can not approve your own pull request"):
        api.approve(pull, "Fine")


def test_an_app_is_known_by_its_own_name(github: FakeGitHub, api: GitHubPulls) -> None:
    assert api.me() == pulls.BOT
    github.pull_state.logins[TOKEN] = "sluice[bot]"
    client = GitHubClient(REPOSITORY, log_in(TOKEN), github.base)
    assert GitHubPulls(client).me() == "sluice[bot]"
    client.close()


# -- merging -----------------------------------------------------------------------------------------------------------


def test_auto_merge_waits_for_checks_and_reviews(github: FakeGitHub, api: GitHubPulls) -> None:
    number = number_of(github)
    pull = api.pull(number)
    assert api.enable_auto_merge(pull, "squash") == "enabled"
    assert api.pull(number).auto_merge_by == pulls.BOT
    github.report_run(HEAD, "test", "failure")
    api.approve(pull, "Fine")
    assert not api.pull(number).merged
    github.report_run(HEAD, "test", "success")
    found = api.pull(number)
    assert found.merged
    assert found.merge_commit == github.pull_state.branches["main"].sha
    assert github.pull_state.known[number]["merged_by"]["login"] == pulls.BOT


@pytest.mark.parametrize("state", ["success", "pending"])
def test_what_need_not_wait_is_merged_at_once(github: FakeGitHub, api: GitHubPulls, state: str) -> None:
    """Clean, and unstable: a check that is not required has not ended. GitHub refuses to wait for either."""
    number = number_of(github)
    pull = api.pull(number)
    github.report_run(HEAD, "test", "success")
    github.report_status(HEAD, "optional", state)
    api.approve(pull, "Fine")
    assert api.enable_auto_merge(pull, "rebase") == "merged"
    assert api.pull(number).merged


def test_only_the_commit_that_was_looked_at(github: FakeGitHub, api: GitHubPulls) -> None:
    pull = api.pull(number_of(github))
    pulls.push_branch(github, "feature/cents", NEXT)
    with pytest.raises(ChangeRefusedError, match="Head branch was modified"):
        api.enable_auto_merge(pull, "squash")
    with pytest.raises(ChangeRefusedError) as refused:
        api.merge(pull, "squash")
    assert refused.value.status == 409
    assert str(refused.value) == (
        f"GitHub cannot merge pull request #{pull.number} in acme/shop: Head branch was modified. Review and try the "
        "merge again. — look at it on GitHub"
    )


def test_refused_merges(github: FakeGitHub, api: GitHubPulls) -> None:
    number = number_of(github)
    pull, state = api.pull(number), github.pull_state

    def refusal() -> str:
        with pytest.raises(ChangeRefusedError) as refused:
            api.merge(pull, "squash")
        assert refused.value.status == 405
        return refused.value.what.partition(": ")[2]

    assert refusal() == 'Required status check "test" is expected.'
    github.report_run(HEAD, "test", "success")
    assert refusal() == "At least 1 approving review is required by reviewers with write access."
    github.review(number, "ben", "APPROVED", HEAD)
    state.base_moves = 1
    assert refusal() == pulls.BASE_MOVED
    state.conflicting.add(number)
    assert refusal() == pulls.NOT_MERGEABLE
    state.conflicting.clear()
    state.merge_methods = frozenset({"merge"})
    assert refusal() == "Squash merges are not allowed on this repository."
    api.merge(pull, "merge")
    assert refusal() == pulls.NOT_MERGEABLE


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"allow_auto_merge": False}, "Auto merge is not allowed for this repository"),
        ({"merge_methods": frozenset({"merge"})}, "squash merging is not allowed"),
    ],
)
def test_auto_merge_that_is_not_allowed(
    github: FakeGitHub, api: GitHubPulls, change: dict[str, object], said: str
) -> None:
    pull = api.pull(number_of(github))
    github.pull_state.__dict__.update(change)
    with pytest.raises(ChangeRefusedError, match=said):
        api.enable_auto_merge(pull, "squash")


def test_errors_of_graphql_are_those_of_rest(github: FakeGitHub, api: GitHubPulls) -> None:
    pull = api.pull(number_of(github))
    with pytest.raises(TerminalError, match="GitHub does not let the login see auto-merge of pull request"):
        api.enable_auto_merge(pull.model_copy(update={"node_id": "PR_gone"}), "squash")
    github.tokens[TOKEN] = EVERYTHING - {"contents:write"}
    with pytest.raises(
        TerminalError, match="give it the permission Pull requests: write and Contents: write"
    ):
        api.enable_auto_merge(pull, "squash")
    limited = '{"errors": [{"type": "RATE_LIMITED", "message": "API rate limit already exceeded"}]}'
    github.tokens[TOKEN] = EVERYTHING
    github.faults.append(Fault("/graphql", 200, body=limited, headers={"retry-after": "1"}))
    assert api.enable_auto_merge(pull, "squash") == "enabled"
    github.faults.append(Fault("/graphql", 502, "Bad Gateway"))
    with pytest.raises(TransientError, match="GitHub answered with status 502"):
        api.enable_auto_merge(pull, "squash")
    broken = '{"errors": [{"type": "INTERNAL", "message": "Something went wrong"}]}'
    github.faults.append(Fault("/graphql", 200, body=broken))
    with pytest.raises(TransientError, match="status 502"):
        api.enable_auto_merge(pull, "squash")
    github.faults.append(Fault("/graphql", 200, body='"hello"'))
    with pytest.raises(TerminalError, match="is not its API"):
        api.enable_auto_merge(pull, "squash")


def test_what_was_given_is_taken_back_and_what_people_gave_is_not(
    github: FakeGitHub, api: GitHubPulls
) -> None:
    number = number_of(github)
    pull = api.pull(number)
    assert api.take_back(pull, "Nothing was given") == ()
    api.approve(pull, "Fine")
    api.enable_auto_merge(pull, "squash")
    github.review(number, "ben", "APPROVED", HEAD)
    assert api.take_back(api.pull(number), "eve pushed to it") == ("auto-merge", "an approval")
    assert [one["state"] for one in github.reviews[number]] == ["DISMISSED", "APPROVED"]
    assert api.pull(number).auto_merge_by == ""
    assert api.take_back(api.pull(number), "eve pushed to it") == ()
    by_ana = shapes.user(github.base, "ana")
    github.pull_state.known[number]["auto_merge"] = {"enabled_by": by_ana, "merge_method": "squash"}
    assert api.take_back(api.pull(number), "eve pushed to it") == ()


# -- reverting ---------------------------------------------------------------------------------------------------------


def test_a_merged_one_is_reverted_once(github: FakeGitHub, api: GitHubPulls) -> None:
    number = number_of(github)
    pulls.merge(github, number, "ana")
    pull = api.pull(number)
    assert api.revert_of(pull) is None
    made = api.revert(pull, "Revert it", "Because")
    assert (made.title, made.base, made.head_branch) == (
        "Revert it",
        "main",
        f"revert-{number}-feature/cents",
    )
    assert github.pull_state.known[made.number]["body"] == "Because"
    assert api.revert(pull, "Again", "").number == made.number
    github.pull_state.known[made.number]["state"] = "closed"
    assert (found := api.revert_of(pull))
    assert found.number == made.number


def test_what_cannot_be_reverted(github: FakeGitHub, api: GitHubPulls) -> None:
    number = number_of(github)
    with pytest.raises(ChangeRefusedError, match="is not merged"):
        api.revert(api.pull(number), "Revert it", "")
    pulls.merge(github, number, "ana")
    github.pull_state.conflicting.add(number)
    with pytest.raises(ChangeRefusedError, match="couldn't be reverted automatically"):
        api.revert(api.pull(number), "Revert it", "")


def test_what_was_merged_since(github: FakeGitHub, api: GitHubPulls) -> None:
    for one in range(130):
        pulls.push_branch(github, f"feature/{one}", f"{one:040x}")
        made = pulls.open_request(github, f"feature/{one}", "main", author="ana")
        pulls.merge(github, made["number"], "ana")
        merged_at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=one)
        made["merged_at"] = made["updated_at"] = shapes.stamp(merged_at)
    number_of(github)
    since = datetime(2026, 11, 1, 9, tzinfo=UTC)
    github.asked.clear()
    found = api.merged_pulls("main", since)
    assert len(found) == 121
    assert min(one.merged_at for one in found if one.merged_at) == since
    assert len(github.asked) == 2
    github.asked.clear()
    assert len(api.merged_pulls("main", datetime(2026, 11, 6, tzinfo=UTC))) == 10
    assert len(github.asked) == 1


def test_a_comment_is_made_once(github: FakeGitHub, api: GitHubPulls) -> None:
    number = number_of(github)
    assert api.comment_once(number, "sluice:x:1", "Hello")
    assert not api.comment_once(number, "sluice:x:1", "Hello")
    assert api.comment_once(number, "sluice:x:2", "Hello")
    first, _ = github.pull_state.comments[number]
    assert first["body"] == "<!-- sluice:x:1 -->\nHello"
    # What somebody else wrote is no sign that it was said.
    first["user"] = shapes.user(github.base, "eve")
    assert api.comment_once(number, "sluice:x:1", "Hello")
