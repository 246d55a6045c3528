"""All that showing asks of GitHub, behind one door."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from blocks.values.github import PullRequestFact
from tasks.github.client import Asking
from tasks.github.files import GitHubFiles
from tasks.github.publish import GitHubShowing
from tasks.github.pulls import GitHubPulls
from tasks.github.read import GitHubApi

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blocks.values.publication import FileFact
    from blocks.values.pull_requests import PullFact
    from tasks.github.client import GitHubClient

_PULLS = Asking("the pull requests", "Pull requests: read")
# As many as are looked through, newest change first.
_MOST_LOOKED_AT = 500


class GitHubShow(GitHubShowing):
    """What is shown on GitHub, and what must be read and prepared for it."""

    def __init__(self, client: GitHubClient) -> None:
        super().__init__(client)
        self._files = GitHubFiles(client)
        self._requests = GitHubPulls(client)
        self._reading = GitHubApi(client)

    def close(self) -> None:
        """Close its connections; it can be used no more."""
        self._client.close()

    def pulls(self, sha: str) -> tuple[PullRequestFact, ...]:
        """Read the pull requests a commit belongs to, without their reviews."""
        return self._reading.pulls(sha)

    def merged(self, commits: frozenset[str], since: datetime) -> tuple[PullRequestFact, ...]:
        """Read the pull requests whose merges made some commits.

        Args:
            since: When the oldest of them was made, UTC: what did not change since then is not looked at.

        Returns:
            The pull requests, newest change first; of the last 500 that changed.
        """
        return self._client.ask(_PULLS, lambda: tuple(self._merged(commits, since)))

    def _merged(self, commits: frozenset[str], since: datetime) -> Iterator[PullRequestFact]:
        path = f"/repos/{self._client.repository}/pulls"
        listed = self._client.pages(
            path, most=_MOST_LOOKED_AT, state="closed", sort="updated", direction="desc"
        )
        for one in listed:
            # A merge changes its pull request, so what was not changed since brought none of them.
            if datetime.fromisoformat(one["updated_at"]) < since:
                return
            if one["merged_at"] and one["merge_commit_sha"] in commits:
                yield _fact(one)

    def latest_pull(self, head: str, base: str) -> PullFact | None:
        """Read the pull request that was opened last between two branches, open or closed."""
        return self._requests.latest_pull(head, base)

    def open_pull(self, head: str, base: str, title: str, body: str) -> PullFact | None:
        """Open a pull request, or find the open one of the same branches; None where they do not differ."""
        return self._requests.open_pull(head, base, title, body)

    def read_file(self, path: str, branch: str) -> FileFact | None:
        """Read a text file at the head of a branch; None where there is none."""
        return self._files.read_file(path, branch)

    def ensure_branch(self, branch: str, start: str) -> bool:
        """Create a branch at the head of another one, unless it is there."""
        return self._files.ensure_branch(branch, start)

    def write_file(self, path: str, text: str, *, branch: str, message: str, blob: str) -> None:
        """Make a commit that changes one file."""
        self._files.write_file(path, text, branch=branch, message=message, blob=blob)


def _fact(pull: Mapping[str, Any]) -> PullRequestFact:
    return PullRequestFact(
        number=pull["number"],
        author=(pull["user"] or {}).get("login", ""),
        head=pull["head"]["sha"],
        base=pull["base"]["ref"],
        merged_at=datetime.fromisoformat(pull["merged_at"]),
        merge_commit=pull["merge_commit_sha"],
        link=pull["html_url"],
        title=pull["title"] or "",
    )
