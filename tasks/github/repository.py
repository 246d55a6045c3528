"""What all parts of a repository on GitHub have in common."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Any

from github import GithubException

from tasks.github.answers import said
from tasks.github.graphql import who_am_i
from tasks.github.refusals import Asking

if TYPE_CHECKING:
    from tasks.github.client import GitHubClient

_WHO = Asking("the login's own name", "Metadata: read")


class RepositoryPart:
    """A part of a repository on GitHub, behind the login at it."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._path = f"/repos/{client.repository}"
        self._owner = client.repository.partition("/")[0]
        self._me = ""

    def close(self) -> None:
        """Close its connections; it can be used no more."""
        self._client.close()

    def me(self) -> str:
        """Return the login's own name."""
        if not self._me:
            self._me = self._client.ask(_WHO, lambda: who_am_i(self._client))
        return self._me

    def _branch_path(self, branch: str) -> str:
        return f"{self._path}/branches/{quoted(branch)}"

    def _rules_of(self, asking: Asking, branch: str) -> tuple[dict[str, Any], ...]:
        return self._client.listed(asking, f"{self._path}/rules/branches/{quoted(branch)}", dict)

    def _protection_of(self, asking: Asking, branch: str) -> dict[str, Any] | None:
        """Return the protection of a branch; None for one that only rulesets protect."""
        path = f"{self._branch_path(branch)}/protection"

        def read() -> dict[str, Any] | None:
            try:
                return self._client.get(path, dict)
            except GithubException as error:
                if error.status == 404 and said(error) == "Branch not protected":  # noqa: PLR2004
                    return None
                raise

        return self._client.ask(asking, read)


def quoted(name: str) -> str:
    """Return a name as one part of a path."""
    return urllib.parse.quote(name, safe="")
