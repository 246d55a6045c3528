"""The section `protect`: what GitHub has to enforce on branches and environments."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from blocks.pipeline.durations import Duration
from blocks.pipeline.fields import BlockNames, BranchName, Listed, Matching, RefPatterns, Text, flag
from blocks.pipeline.gates import CheckNames
from blocks.pipeline.sections import HOUR, MINUTE, ConflictError, Quorum
from blocks.values.base import Value

# GitHub's own bounds.
MOST_REVIEWS = 6
MOST_REVIEWERS = 6
LONGEST_WAIT = 30 * 24 * HOUR

_LOGIN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
Reviewer = Annotated[
    str,
    Matching(rf"{_LOGIN}(/[A-Za-z0-9_][A-Za-z0-9._-]{{0,99}})?", "a GitHub login, or a team as owner/team"),
]
Reviewers = Annotated[tuple[Reviewer, ...], Field(max_length=MOST_REVIEWERS), Listed()]
EnvironmentName = Annotated[Text, Matching(r"\S(?:.{0,253}\S)?", "the name of an environment on GitHub")]


class ReviewProtection(Value):
    """Changes come by pull request only, and what a pull request needs."""

    required_approving_review_count: int = Field(
        1, ge=0, le=MOST_REVIEWS, description="How many approving reviews a pull request needs."
    )
    dismiss_stale_reviews: bool = flag("A new commit dismisses the approvals of a pull request.")
    require_code_owner_reviews: bool = flag("The owners of the changed files (CODEOWNERS) have to approve.")
    require_last_push_approval: bool = flag("Somebody other than the last person who pushed has to approve.")


class StatusProtection(Value):
    """Which checks must be green before a merge."""

    checks: CheckNames = Field(min_length=1, description="Commit statuses and check runs, by name.")
    strict: bool = flag("The pull request must contain the newest commit of the branch it goes to.")


class BranchProtect(Value):
    """What GitHub has to enforce on one branch, in its own terms. What is stricter there stays."""

    required_pull_request_reviews: ReviewProtection | None = Field(
        description="Changes only by pull request, with this many reviews. null: not required.",
        default_factory=ReviewProtection,
    )
    required_status_checks: StatusProtection | None = Field(
        None, description="Which checks must be green. None: not required."
    )
    enforce_admins: bool = flag("The rules apply to administrators as well.")
    required_linear_history: bool = flag(
        "No merge commits; the repository must allow squash or rebase merges."
    )
    required_conversation_resolution: bool = flag("Comments on the code have to be resolved before a merge.")
    allow_force_pushes: bool = flag("false: history cannot be rewritten. true: not required.")
    allow_deletions: bool = flag("false: the branch cannot be deleted. true: not required.")


class EnvironmentProtect(Value):
    """What GitHub has to ask before a job of its own enters one of its environments."""

    reviewers: Reviewers = Field(
        (), description="Logins, and teams as owner/team, one of whom has to say yes; these and no others."
    )
    prevent_self_review: bool = flag("The person who started the job may not say yes.")
    wait_timer: Duration = Field(
        0.0, le=LONGEST_WAIT, description="How long a job waits at least, in whole minutes."
    )
    protected_branches: bool = flag("Only branches with a protection may be deployed there.")
    deployment_branches: RefPatterns = Field(
        (), description="The branches that may be deployed there, as GitHub's patterns; these and no others."
    )
    deployment_tags: RefPatterns = Field(
        (), description="The tags that may be deployed there, likewise; with deployment_branches."
    )

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        """Refuse what GitHub cannot hold."""
        if self.wait_timer % MINUTE:
            raise ConflictError("wait_timer", "GitHub counts whole minutes — write 5m, not 90s")
        if self.protected_branches and (self.deployment_branches or self.deployment_tags):
            raise ConflictError(
                "protected_branches", "GitHub takes either protected branches or a list — remove one"
            )
        if self.prevent_self_review and not self.reviewers:
            raise ConflictError("prevent_self_review", "nobody reviews — add reviewers")
        return self


class Relax(Quorum):
    """Who may relax a rule of a branch for a while."""

    approvers: BlockNames = Field(
        min_length=1, description="The Approver blocks of those who may relax a rule."
    )
    required: int = Field(1, ge=1, le=20, description="How many of them must say yes.")
    at_most: Duration = Field(
        HOUR, ge=MINUTE, le=24 * HOUR, description="The longest time a rule may stay relaxed."
    )
    expires: Duration = Field(
        HOUR, ge=MINUTE, le=24 * HOUR, description="How long a request waits for its answers."
    )


class Protect(Value):
    """What GitHub has to enforce. Nothing is changed there before `protect/github` is run with `apply`."""

    branches: dict[BranchName, BranchProtect] = Field({}, description="Branch → what is enforced on it.")
    environments: dict[EnvironmentName, EnvironmentProtect] = Field(
        {}, description="Environment on GitHub → what is required before a job enters it."
    )
    relax: Relax | None = Field(
        None,
        description="Who may relax a rule for a limited time. None: a rule can only be relaxed on GitHub itself.",
    )
