"""Pull requests on GitHub: found, and opened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from blocks.values.github import PullRequestFact
from tasks.adapters.github.client import Asking, GitHubClient

_PULLS = Asking("the pull requests", "Pull requests: read")
_OPEN = Asking("a pull request", "Pull requests: write", "open")
# As many as are looked through, newest change first.
_MOST_LOOKED_AT = 500


class GitHubPulls:
    """The pull requests of a repository on GitHub.

    Args:
        client: The login at it.
    """

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._path = f"/repos/{client.repository}/pulls"

    def of_branch(self, head: str, base: str) -> tuple[PullRequestFact, ...]:
        """Read the pull requests of a branch of this repository, whatever became of them.

        Args:
            head: The branch that brings the change.
            base: The branch it goes to.
        """
        owner = self._client.repository.partition("/")[0]
        found = self._client.ask(
            _PULLS,
            lambda: [*self._client.pages(self._path, state="all", head=f"{owner}:{head}", base=base)],
        )
        return self._client.ask(_PULLS, lambda: tuple(map(_fact, found)))

    def merged(self, commits: frozenset[str], since: datetime) -> tuple[PullRequestFact, ...]:
        """Read the pull requests whose merges made some commits.

        Args:
            commits: The commits.
            since: When the oldest of them was made, UTC: what did not change since then is not looked at.

        Returns:
            The pull requests, newest change first; of the last 500 that changed.
        """
        return self._client.ask(_PULLS, lambda: tuple(self._merged(commits, since)))

    def open_pull(self, head: str, base: str, title: str, body: str) -> PullRequestFact:
        """Open a pull request, or find the open one of the same branches.

        Args:
            head: The branch that brings the change.
            base: The branch it goes to.
            title: Its title.
            body: Its text, Markdown.

        Raises:
            ChangeRefusedError: GitHub does not take it: nothing differs, or a branch is missing.
        """
        there = [pull for pull in self.of_branch(head, base) if pull.open]
        if there:
            return there[0]
        wanted = {"head": head, "base": base, "title": title, "body": body}
        made = self._client.ask(_OPEN, lambda: self._client.send("POST", self._path, wanted))
        return self._client.ask(_OPEN, lambda: _fact(made))

    def _merged(self, commits: frozenset[str], since: datetime) -> list[PullRequestFact]:
        found: list[PullRequestFact] = []
        listed = self._client.pages(
            self._path, _MOST_LOOKED_AT, state="closed", sort="updated", direction="desc"
        )
        for one in listed:
            # A merge changes its pull request, so what was not changed since brought none of them.
            if datetime.fromisoformat(one["updated_at"]) < since:
                break
            if one["merged_at"] and one["merge_commit_sha"] in commits:
                found.append(_fact(one))
        return found


def _fact(pull: Mapping[str, Any]) -> PullRequestFact:
    merged = pull["merged_at"]
    return PullRequestFact(
        number=pull["number"],
        author=(pull["user"] or {}).get("login", ""),
        head=pull["head"]["sha"],
        base=pull["base"]["ref"],
        merged_at=datetime.fromisoformat(merged) if merged else None,
        merge_commit=(pull["merge_commit_sha"] or "") if merged else "",
        link=pull["html_url"],
        title=pull["title"] or "",
        open=pull["state"] == "open",
    )
