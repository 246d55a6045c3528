"""All that showing asks of GitHub, behind one door."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tasks.github.facts import pull_fact
from tasks.github.files import GitHubFiles
from tasks.github.publish import GitHubShowing
from tasks.github.pulls import GitHubPulls
from tasks.github.read import GitHubApi
from tasks.github.refusals import Asking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks.values.github import PullRequestFact

_PULLS = Asking("the pull requests", "Pull requests: read")
# As many as are looked through, newest change first.
_MOST_LOOKED_AT = 500


class GitHubShow(GitHubShowing, GitHubFiles, GitHubPulls, GitHubApi):
    """What is shown on GitHub, and what must be read and prepared for it."""

    def merged(self, commits: frozenset[str], since: datetime) -> tuple[PullRequestFact, ...]:
        """Read the pull requests whose merges made some commits.

        Args:
            since: When the oldest of them was made, UTC: what did not change since then is not looked at.

        Returns:
            The pull requests, newest change first; of the last 500 that changed.
        """
        return self._client.ask(_PULLS, lambda: tuple(self._merges_of(commits, since)))

    def _merges_of(self, commits: frozenset[str], since: datetime) -> Iterator[PullRequestFact]:
        listed = self._client.pages(
            f"{self._path}/pulls", most=_MOST_LOOKED_AT, state="closed", sort="updated", direction="desc"
        )
        for one in listed:
            # A merge changes its pull request, so what was not changed since brought none of them.
            if datetime.fromisoformat(one["updated_at"]) < since:
                return
            if one["merged_at"] and one["merge_commit_sha"] in commits:
                yield pull_fact(one)
