"""What GitHub enforces on branches and environments: read whole, replaced whole."""

from __future__ import annotations

import urllib.parse
from typing import Any

from github import GithubException

from blocks.values.rules import BranchProtection, BranchRules, DeploymentRef, EnvironmentRules, Reviewer
from tasks.github.answers import said
from tasks.github.client import Asking, GitHubClient, NotThereError
from tasks.github.rule_facts import (
    environment_body,
    environment_of,
    protection_body,
    protection_of,
    rulesets_of,
)
from tasks.kernel.errors import TerminalError

_READ = "Administration: read"
_WRITE = "Administration: write"
_CHANGE = "change"


class GitHubRules:
    """The rules of one repository on GitHub."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._path = f"/repos/{client.repository}"
        self._owner = client.repository.partition("/")[0]

    @property
    def page(self) -> str:
        """The repository's address, for people; no two repositories share one."""
        return self._client.page

    def close(self) -> None:
        """Close its connections; it can be used no more."""
        self._client.close()

    def branch(self, branch: str) -> BranchRules:
        """Read everything that is enforced on a branch, by its protection and by rulesets.

        Raises:
            NotThereError: GitHub has no such branch.
        """
        quoted = urllib.parse.quote(branch, safe="")
        path = f"{self._path}/branches/{quoted}"
        contents = Asking(f"the branch {branch}", "Contents: read")
        # What does not say so is no branch; without a protection a whole new one could be written.
        protected: bool = self._client.ask(contents, lambda: self._client.get(path, dict)["protected"])
        rules = self._client.ask(contents, lambda: self._pages(f"{self._path}/rules/branches/{quoted}"))
        found = None
        if protected:
            asking = Asking(f"the protection of {branch}", _READ)
            found = self._client.ask(asking, lambda: self._protection(f"{path}/protection"))
        return self._client.ask(
            contents,
            lambda: BranchRules(
                branch=branch,
                protection=None if found is None else protection_of(found),
                rulesets=rulesets_of(rules),
            ),
        )

    def protect(self, branch: str, protection: BranchProtection) -> None:
        """Replace the protection of a branch as a whole; whether commits must be signed stays as it is.

        Raises:
            TerminalError: The protection holds a rule that would be lost, for this version does not know it.
        """
        if protection.others:
            raise TerminalError(
                f"the protection of {branch} has {', '.join(protection.others)}, which this version of Sluice "
                "does not know and would lose",
                "change it on GitHub itself",
            )
        path = f"{self._path}/branches/{urllib.parse.quote(branch, safe='')}/protection"
        asking = Asking(f"the protection of {branch}", _WRITE, _CHANGE)
        body = protection_body(protection)
        answer = self._client.ask(asking, lambda: self._client.send("PUT", path, body))
        kept = (answer.get("required_signatures") or {}).get("enabled", False)
        if protection.required_signatures and not kept:
            self._client.ask(asking, lambda: self._client.send("POST", f"{path}/required_signatures"))

    def environment(self, name: str) -> EnvironmentRules:
        """Read what is asked before a job enters an environment."""
        path = self._environment(name)
        asking = Asking(f"the environment {name}", "Actions: read")
        try:
            data: dict[str, Any] = self._client.ask(asking, lambda: self._client.get(path, dict))
        except NotThereError:
            return EnvironmentRules(name=name, there=False)
        patterns: list[dict[str, Any]] = []
        if (data.get("deployment_branch_policy") or {}).get("custom_branch_policies"):
            more = f"{path}/deployment-branch-policies"
            patterns = self._client.ask(asking, lambda: self._pages(more, "branch_policies"))
        return self._client.ask(asking, lambda: environment_of(data, patterns, self._owner))

    def guard(self, found: EnvironmentRules, wanted: EnvironmentRules) -> None:
        """Make an environment what is wanted, or change it to that, as a whole.

        Args:
            wanted: What it is to be; reviewers without a number are looked up.

        Raises:
            TerminalError: A reviewer is not known to GitHub, or has no access to the repository.
        """
        path = self._environment(wanted.name)
        asking = Asking(f"the environment {wanted.name}", _WRITE, _CHANGE)
        reviewers = tuple(self._looked_up(one) for one in wanted.reviewers)
        body = environment_body(wanted.model_copy(update={"reviewers": reviewers}))
        self._client.ask(asking, lambda: self._client.send("PUT", path, body))
        if wanted.refs == "listed":
            self._list(f"{path}/deployment-branch-policies", asking, found, wanted)

    def _list(self, path: str, asking: Asking, found: EnvironmentRules, wanted: EnvironmentRules) -> None:
        """Have exactly the wanted patterns listed. What is too much goes first, so that a crash leaves too little."""
        there = {one.key: one for one in found.patterns}
        asked = {one.key: one for one in wanted.patterns}
        for one in (one for key, one in there.items() if key not in asked):
            self._client.ask(asking, lambda one=one: self._unlist(path, one))  # type: ignore[misc]
        for one in (one for key, one in asked.items() if key not in there):
            body = {"name": one.name, "type": one.kind}
            self._client.ask(asking, lambda body=body: self._client.send("POST", path, body))  # type: ignore[misc]

    def _unlist(self, path: str, ref: DeploymentRef) -> None:
        self._client.send("DELETE", f"{path}/{ref.number}")

    def _environment(self, name: str) -> str:
        return f"{self._path}/environments/{urllib.parse.quote(name, safe='')}"

    def _looked_up(self, reviewer: Reviewer) -> Reviewer:
        if reviewer.number:
            return reviewer
        if reviewer.kind == "User":
            asking = Asking(f"the user {reviewer.name}", "Metadata: read")
            path = f"/users/{urllib.parse.quote(reviewer.name, safe='')}"
            user: dict[str, Any] = self._client.ask(asking, lambda: self._client.get(path, dict))
            return reviewer.model_copy(update={"number": user["id"]})
        asking = Asking("the teams", _READ)
        teams = self._client.ask(asking, lambda: self._pages(f"{self._path}/teams"))
        for team in teams:
            if f"{self._owner}/{team['slug']}".casefold() == reviewer.name.casefold():
                return reviewer.model_copy(update={"number": team["id"]})
        raise TerminalError(
            f"the team {reviewer.name} has no access to {self._client.repository}",
            "give it read access on GitHub, or correct it under protect in pipeline.yaml",
        )

    def _pages(self, path: str, under: str = "") -> list[dict[str, Any]]:
        return [*self._client.pages(path, under=under)]

    def _protection(self, path: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.get(path, dict)
        except GithubException as error:
            # A branch that only rulesets protect says so with this 404.
            if error.status == 404 and said(error) == "Branch not protected":  # noqa: PLR2004
                return None
            raise
        return found
