"""What GitHub enforces on branches and environments: read whole, replaced whole."""

from __future__ import annotations

from typing import Any

from blocks.values.rules import BranchProtection, BranchRules, EnvironmentRules, Reviewer
from tasks.github.refusals import Asking, NotThereError
from tasks.github.repository import RepositoryPart, quoted
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


class GitHubRules(RepositoryPart):
    """The rules of one repository on GitHub."""

    @property
    def page(self) -> str:
        """The repository's address, for people; no two repositories share one."""
        return self._client.page

    def branch(self, branch: str) -> BranchRules:
        """Read everything that is enforced on a branch, by its protection and by rulesets."""
        contents = Asking(f"the branch {branch}", "Contents: read")
        # What does not say so is no branch; without a protection a whole new one could be written.
        protected: bool = self._client.one(
            contents, self._branch_path(branch), lambda found: found["protected"]
        )
        rules = self._rules_of(contents, branch)
        asking = Asking(f"the protection of {branch}", _READ)
        found = self._protection_of(asking, branch) if protected else None
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
        path = f"{self._branch_path(branch)}/protection"
        asking = Asking(f"the protection of {branch}", _WRITE, _CHANGE)
        answer = self._client.change(asking, "PUT", path, protection_body(protection))
        kept = (answer.get("required_signatures") or {}).get("enabled", False)
        if protection.required_signatures and not kept:
            self._client.change(asking, "POST", f"{path}/required_signatures")

    def environment(self, name: str) -> EnvironmentRules:
        """Read what is asked before a job enters an environment."""
        path = self._environment(name)
        asking = Asking(f"the environment {name}", "Actions: read")
        try:
            data: dict[str, Any] = self._client.one(asking, path, dict)
        except NotThereError:
            return EnvironmentRules(name=name, there=False)
        patterns: tuple[dict[str, Any], ...] = ()
        if (data.get("deployment_branch_policy") or {}).get("custom_branch_policies"):
            more = f"{path}/deployment-branch-policies"
            patterns = self._client.listed(asking, more, dict, under="branch_policies")
        return self._client.ask(asking, lambda: environment_of(data, patterns, self._owner))

    def guard(self, found: EnvironmentRules, wanted: EnvironmentRules) -> None:
        """Make an environment what is wanted, or change it to that, as a whole.

        Raises:
            TerminalError: A reviewer is not known to GitHub, or has no access to the repository.
        """
        path = self._environment(wanted.name)
        asking = Asking(f"the environment {wanted.name}", _WRITE, _CHANGE)
        reviewers = tuple(self._looked_up(one) for one in wanted.reviewers)
        body = environment_body(wanted.model_copy(update={"reviewers": reviewers}))
        self._client.change(asking, "PUT", path, body)
        if wanted.refs == "listed":
            self._list(f"{path}/deployment-branch-policies", asking, found, wanted)

    def _list(self, path: str, asking: Asking, found: EnvironmentRules, wanted: EnvironmentRules) -> None:
        """Have exactly the wanted patterns listed. What is too much goes first, so that a crash leaves too little."""
        there = {one.key: one for one in found.patterns}
        asked = {one.key: one for one in wanted.patterns}
        for one in (one for key, one in there.items() if key not in asked):
            self._client.change(asking, "DELETE", f"{path}/{one.number}")
        for one in (one for key, one in asked.items() if key not in there):
            self._client.change(asking, "POST", path, {"name": one.name, "type": one.kind})

    def _environment(self, name: str) -> str:
        return f"{self._path}/environments/{quoted(name)}"

    def _looked_up(self, reviewer: Reviewer) -> Reviewer:
        if reviewer.number:
            return reviewer
        if reviewer.kind == "User":
            asking = Asking(f"the user {reviewer.name}", "Metadata: read")
            user: dict[str, Any] = self._client.one(asking, f"/users/{quoted(reviewer.name)}", dict)
            return reviewer.model_copy(update={"number": user["id"]})
        asking = Asking("the teams", _READ)
        for team in self._client.listed(asking, f"{self._path}/teams", dict):
            if f"{self._owner}/{team['slug']}".casefold() == reviewer.name.casefold():
                return reviewer.model_copy(update={"number": team["id"]})
        raise TerminalError(
            f"the team {reviewer.name} has no access to {self._client.repository}",
            "give it read access on GitHub, or correct it under protect in pipeline.yaml",
        )
