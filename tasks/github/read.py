"""GitHub over its REST API, by PyGithub: reads only, whole lists, within the rate limits."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from github import GithubException

from blocks.values.github import Budget, CheckFact, ProtectionFact, PullRequestFact, ReviewFact
from tasks.github.answers import said
from tasks.github.client import Asking, GitHubClient, NotThereError
from tasks.github.facts import check_fact, protection_fact, pull_fact, review_fact, status_fact

_MAY_WRITE = frozenset({"admin", "write"})

_CHECKS = Asking("the checks of the commit", "Commit statuses: read and Checks: read")
_PULLS = Asking("the pull requests of the commit", "Pull requests: read and Contents: read")
_REVIEWS = Asking("the reviews of the pull request", "Pull requests: read")
_ROLE = Asking("a reviewer's permission", "Metadata: read")
_BRANCH = Asking("the branch", "Contents: read")
_PROTECTION = Asking("the branch protection", "Administration: read")
_BUDGET = Asking("the rate limit", "Metadata: read")


class GitHubApi:
    """A repository on GitHub, as the gates and the triggers read it."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        # Not by PyGithub's own lists: an empty answer ends them as if nothing more was there.
        self._path = f"/repos/{client.repository}"

    def close(self) -> None:
        """Close its connections; it can be used no more."""
        self._client.close()

    @property
    def repository(self) -> str:
        """The repository, `owner/name`."""
        return self._client.repository

    def commit_page(self, sha: str) -> str:
        """Return the address of a commit's page, for people."""
        return f"{self._client.page}/commit/{sha}"

    def checks(self, sha: str) -> tuple[CheckFact, ...]:
        """Read the newest statuses and check runs of exactly this commit."""
        return self._client.ask(_CHECKS, lambda: tuple(self._checks(sha)))

    def pulls(self, sha: str) -> tuple[PullRequestFact, ...]:
        """Read the pull requests a commit belongs to, without their reviews."""
        path = f"{self._path}/commits/{sha}/pulls"
        return self._client.ask(_PULLS, lambda: tuple(map(pull_fact, self._client.pages(path))))

    def reviews(self, number: int) -> tuple[ReviewFact, ...]:
        """Read the reviews of a pull request, oldest first, and whether who gave them may write."""
        path = f"{self._path}/pulls/{number}/reviews"
        found = self._client.ask(_REVIEWS, lambda: [*map(review_fact, self._client.pages(path))])
        may_write = {
            login: self._may_write(login) for login in {review.reviewer for review in found} if login
        }
        return tuple(
            review.model_copy(update={"may_write": may_write.get(review.reviewer, False)}) for review in found
        )

    def protection(self, branch: str, *, details: bool) -> ProtectionFact:
        """Read what GitHub enforces on a branch, by branch protection and rulesets.

        Args:
            details: Read also what only an administrator's login is shown: whether its history can be rewritten.
        """
        quoted = urllib.parse.quote(branch, safe="")
        path = f"{self._path}/branches/{quoted}"
        summary: dict[str, Any] = self._client.ask(_BRANCH, lambda: self._client.get(path, dict))
        rules = self._client.ask(_BRANCH, lambda: self._rules(quoted))
        whole: Mapping[str, Any] = {}
        if details and summary.get("protected"):
            whole = self._client.ask(_PROTECTION, lambda: self._protection(f"{path}/protection"))
        page = f"{self._client.page}/settings/branches"
        return self._client.ask(_BRANCH, lambda: protection_fact(branch, summary, rules, whole, page))

    def budget(self) -> Budget:
        """Read how many requests are left; asking costs none."""
        core = self._client.ask(_BUDGET, self._client.rate_limit)
        return Budget(limit=core.limit, remaining=core.remaining, resets_at=core.reset)

    def _checks(self, sha: str) -> Iterator[CheckFact]:
        commit = f"{self._path}/commits/{sha}"
        yield from map(status_fact, self._client.pages(f"{commit}/status", under="statuses"))
        yield from map(
            check_fact, self._client.pages(f"{commit}/check-runs", under="check_runs", filter="latest")
        )

    def _may_write(self, login: str) -> bool:
        try:
            path = f"{self._path}/collaborators/{urllib.parse.quote(login, safe='')}/permission"
            role: str = self._client.ask(_ROLE, lambda: self._client.get(path, dict)["permission"])
        except NotThereError:
            # Nobody of that name any more, or an app: neither's review counts on GitHub.
            return False
        return role in _MAY_WRITE

    def _rules(self, branch: str) -> list[dict[str, Any]]:
        return [*self._client.pages(f"{self._path}/rules/branches/{branch}")]

    def _protection(self, path: str) -> Mapping[str, Any]:
        try:
            return self._client.get(path, dict)
        except GithubException as error:
            # A branch that only rulesets protect says so with this 404.
            if error.status == 404 and said(error) == "Branch not protected":  # noqa: PLR2004
                return {}
            raise
