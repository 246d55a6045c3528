"""GitHub over its REST API, by PyGithub: reads only, whole lists, within the rate limits."""

from __future__ import annotations

from typing import Any

from blocks.values.github import Budget, CheckFact, ProtectionFact, PullRequestFact, ReviewFact
from tasks.github.facts import check_fact, protection_fact, pull_fact, review_fact, status_fact
from tasks.github.refusals import Asking, NotThereError
from tasks.github.repository import RepositoryPart, quoted

_MAY_WRITE = frozenset({"admin", "write"})

_CHECKS = Asking("the checks of the commit", "Commit statuses: read and Checks: read")
_PULLS = Asking("the pull requests of the commit", "Pull requests: read and Contents: read")
_REVIEWS = Asking("the reviews of the pull request", "Pull requests: read")
_ROLE = Asking("a reviewer's permission", "Metadata: read")
_BRANCH = Asking("the branch", "Contents: read")
_PROTECTION = Asking("the branch protection", "Administration: read")
_BUDGET = Asking("the rate limit", "Metadata: read")


class GitHubApi(RepositoryPart):
    """A repository on GitHub, as the gates and the triggers read it."""

    @property
    def repository(self) -> str:
        """The repository, `owner/name`."""
        return self._client.repository

    def commit_page(self, sha: str) -> str:
        """Return the address of a commit's page, for people."""
        return f"{self._client.page}/commit/{sha}"

    def checks(self, sha: str) -> tuple[CheckFact, ...]:
        """Read the newest statuses and check runs of exactly this commit."""
        path = f"{self._path}/commits/{sha}"
        statuses = self._client.listed(_CHECKS, f"{path}/status", status_fact, under="statuses")
        runs = self._client.listed(
            _CHECKS, f"{path}/check-runs", check_fact, under="check_runs", filter="latest"
        )
        return statuses + runs

    def pulls(self, sha: str) -> tuple[PullRequestFact, ...]:
        """Read the pull requests a commit belongs to, without their reviews."""
        return self._client.listed(_PULLS, f"{self._path}/commits/{sha}/pulls", pull_fact)

    def reviews(self, number: int) -> tuple[ReviewFact, ...]:
        """Read the reviews of a pull request, oldest first, and whether who gave them may write."""
        found = self._client.listed(_REVIEWS, f"{self._path}/pulls/{number}/reviews", review_fact)
        may_write = {login: self._may_write(login) for login in {one.reviewer for one in found} if login}
        return tuple(
            review.model_copy(update={"may_write": may_write.get(review.reviewer, False)}) for review in found
        )

    def protection(self, branch: str, *, details: bool) -> ProtectionFact:
        """Read what GitHub enforces on a branch, by branch protection and rulesets.

        Args:
            details: Read also what only an administrator's login is shown: whether its history can be rewritten.
        """
        summary: dict[str, Any] = self._client.one(_BRANCH, self._branch_path(branch), dict)
        rules = self._rules_of(_BRANCH, branch)
        asked = details and summary.get("protected")
        whole = (self._protection_of(_PROTECTION, branch) if asked else None) or {}
        page = f"{self._client.page}/settings/branches"
        return self._client.ask(_BRANCH, lambda: protection_fact(branch, summary, rules, whole, page))

    def budget(self) -> Budget:
        """Read how many requests are left; asking costs none."""
        core = self._client.ask(_BUDGET, self._client.rate_limit)
        return Budget(limit=core.limit, remaining=core.remaining, resets_at=core.reset)

    def _may_write(self, login: str) -> bool:
        path = f"{self._path}/collaborators/{quoted(login)}/permission"
        try:
            return self._client.one(_ROLE, path, lambda found: found["permission"] in _MAY_WRITE)
        except NotThereError:
            # Nobody of that name any more, or an app: neither's review counts on GitHub.
            return False
