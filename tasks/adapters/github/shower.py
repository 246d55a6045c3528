"""All that showing asks of GitHub, behind one door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.adapters.github.files import GitHubFiles
from tasks.adapters.github.pulls import GitHubPulls
from tasks.adapters.github.reading import GitHubApi
from tasks.adapters.github.showing import GitHubShowing

if TYPE_CHECKING:
    from datetime import datetime

    from blocks.values.github import PullRequestFact
    from blocks.values.showing import FileFact
    from tasks.adapters.github.client import GitHubClient


class GitHubShow(GitHubShowing):
    """What is shown on GitHub, and what must be read and prepared for it.

    Args:
        client: The login at the repository.
    """

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
        """Read the pull requests whose merges made some commits."""
        return self._requests.merged(commits, since)

    def of_branch(self, head: str, base: str) -> tuple[PullRequestFact, ...]:
        """Read the pull requests of a branch, whatever became of them."""
        return self._requests.of_branch(head, base)

    def open_pull(self, head: str, base: str, title: str, body: str) -> PullRequestFact:
        """Open a pull request, or find the open one of the same branches."""
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
