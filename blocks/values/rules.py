"""What GitHub enforces on branches and environments, whole enough to be written back without losing a rule."""

from __future__ import annotations

from typing import Literal

from blocks.values.base import Value
from blocks.values.github import RequiredCheck

# Of a check that is newly required: GitHub takes the app that reported it lately. No app has this id.
AUTOMATIC = 0


class Actors(Value):
    """People, teams and apps a rule is about, by login and slug, sorted."""

    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()


class ReviewRules(Value):
    """GitHub's `required_pull_request_reviews`: changes come by pull request only, and what those need.

    Attributes:
        dismissal_restrictions: Who may dismiss reviews; None for everybody who may write.
        bypass_pull_request_allowances: Who needs no pull request; None for nobody.
    """

    required_approving_review_count: int = 0
    dismiss_stale_reviews: bool = False
    require_code_owner_reviews: bool = False
    require_last_push_approval: bool = False
    dismissal_restrictions: Actors | None = None
    bypass_pull_request_allowances: Actors | None = None


class StatusRules(Value):
    """GitHub's `required_status_checks`; an app id of `AUTOMATIC` is only written, never found."""

    strict: bool = False
    checks: tuple[RequiredCheck, ...] = ()


class BranchProtection(Value):
    """One branch protection, with everything that writing it would replace. The defaults are GitHub's own.

    Attributes:
        restrictions: Who may push; None for everybody who may write.
        block_creations: True when the restrictions hold for new branches of that name.
        required_signatures: True when commits must be signed. It has a request of its own on GitHub.
        others: Rules in force that this version does not know; a protection that has some is not written over.
    """

    required_status_checks: StatusRules | None = None
    required_pull_request_reviews: ReviewRules | None = None
    restrictions: Actors | None = None
    enforce_admins: bool = False
    required_linear_history: bool = False
    required_conversation_resolution: bool = False
    allow_force_pushes: bool = False
    allow_deletions: bool = False
    block_creations: bool = False
    lock_branch: bool = False
    allow_fork_syncing: bool = False
    required_signatures: bool = False
    others: tuple[str, ...] = ()

    def agrees(self, wanted: BranchProtection) -> bool:
        """Say whether this is what was written; where GitHub chose a check's app, any will do."""
        return self._by_name(wanted) == wanted._by_name(wanted)

    def _by_name(self, wanted: BranchProtection) -> BranchProtection:
        status = self.required_status_checks
        chosen = {check.name for check in wanted.checks if check.app_id == AUTOMATIC}
        if status is None or not chosen:
            return self
        checks = {
            check if check.name not in chosen else RequiredCheck(name=check.name) for check in status.checks
        }
        ordered = tuple(sorted(checks, key=lambda check: (check.name, check.app_id or 0)))
        return self.model_copy(
            update={"required_status_checks": status.model_copy(update={"checks": ordered})}
        )

    @property
    def checks(self) -> tuple[RequiredCheck, ...]:
        """The required checks; none where none is."""
        return self.required_status_checks.checks if self.required_status_checks else ()


class BranchRules(Value):
    """What GitHub enforces on one branch: its protection, and what rulesets enforce, put as a protection."""

    branch: str
    protection: BranchProtection | None = None
    rulesets: BranchProtection | None = None


class Reviewer(Value):
    """Who may let a job into an environment of GitHub; `number` is 0 where it was not looked up."""

    kind: Literal["User", "Team"]
    name: str
    number: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What it is compared by: GitHub's names know no case."""
        return self.kind, self.name.casefold()


class DeploymentRef(Value):
    """A pattern of branches or tags that may be deployed; `number` is 0 for one that is not there yet."""

    kind: Literal["branch", "tag"] = "branch"
    name: str
    number: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What it is compared by."""
        return self.kind, self.name


class EnvironmentRules(Value):
    """What GitHub asks before a job may enter an environment.

    Attributes:
        reviewers: Of whom one has to say yes; none: nobody has to.
        refs: `all`, `protected` for branches with a protection, `listed` for those of `patterns`.
        can_admins_bypass: Whether administrators may pass over all this; None where GitHub does not say.
    """

    name: str
    there: bool = True
    reviewers: tuple[Reviewer, ...] = ()
    wait_minutes: int = 0
    prevent_self_review: bool = False
    refs: Literal["all", "protected", "listed"] = "all"
    patterns: tuple[DeploymentRef, ...] = ()
    can_admins_bypass: bool | None = None

    def agrees(self, wanted: EnvironmentRules) -> bool:
        """Say whether this is what was written, whatever ids GitHub gave."""
        return self._plain() == wanted._plain()

    def within(self, wanted: EnvironmentRules) -> bool:
        """Say whether writing what is wanted takes nothing away that is asked for now."""
        lost = self.prevent_self_review and not wanted.prevent_self_review
        freed = self.can_admins_bypass is False and wanted.can_admins_bypass is not False
        return self.wait_minutes <= wanted.wait_minutes and not lost and not freed

    def _plain(self) -> tuple[object, ...]:
        return (
            frozenset(one.key for one in self.reviewers),
            self.wait_minutes,
            self.prevent_self_review,
            self.refs,
            frozenset(one.key for one in self.patterns),
        )


class RulesFound(Value):
    """What was read of a repository's rules."""

    branches: tuple[BranchRules, ...] = ()
    environments: tuple[EnvironmentRules, ...] = ()
    page: str = ""


class RulesReceipt(Value):
    """What became of the rules of one branch or environment."""

    place: str
    changed: bool
