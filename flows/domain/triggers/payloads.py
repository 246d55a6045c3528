"""The parts of GitHub's payloads that decide, as its published webhook schemas have them. The rest is ignored."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
Name = Annotated[str, Field(max_length=1024)]
Body = Annotated[str, Field(max_length=2**20)]
Number = Annotated[int, Field(ge=0, lt=2**63)]


class PayloadPart(BaseModel):
    """A part of a payload: types are taken as they are, never converted."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, hide_input_in_errors=True)


class Account(PayloadPart):
    """A user, an organisation or a bot."""

    login: Name
    type: Name = "User"


class Repository(PayloadPart):
    """A repository."""

    full_name: Name


class Happening(PayloadPart):
    """What every event with an action tells."""

    action: Name
    repository: Repository
    sender: Account


class PushedCommit(PayloadPart):
    """A commit."""

    id: Sha


class PushPayload(PayloadPart):
    """`push`: a branch or tag was moved, made or deleted."""

    ref: Name
    after: Sha
    deleted: bool = False
    head_commit: PushedCommit | None = None
    repository: Repository
    sender: Account | None = None


class Side(PayloadPart):
    """The head or base of a pull request; a fork that was deleted has no repository."""

    ref: Name
    sha: Sha
    repo: Repository | None = None


class PullRequest(PayloadPart):
    """A pull request."""

    number: Number
    merged: bool = False
    merge_commit_sha: Sha | None = None
    user: Account | None = None
    head: Side
    base: Side


class NameBefore(PayloadPart):
    """What a name was before it was changed."""

    before: Name = Field(alias="from")


class BaseBefore(PayloadPart):
    """The branch a pull request went to before."""

    ref: NameBefore


class Changes(PayloadPart):
    """What was edited."""

    base: BaseBefore | None = None


class PullRequestEvent(Happening):
    """`pull_request`."""

    pull_request: PullRequest
    changes: Changes | None = None

    def base_before(self) -> tuple[str, ...]:
        """Return the branch it went to before, where this event tells that it was changed; else nothing."""
        if self.action != "edited" or self.changes is None or self.changes.base is None:
            return ()
        return (self.changes.base.ref.before,)


class Workflow(PayloadPart):
    """A workflow of GitHub Actions."""

    name: Name
    path: Name = ""


class WorkflowRun(PayloadPart):
    """A run of a workflow."""

    event: Name
    conclusion: Name | None = None
    head_branch: Name | None = None
    head_sha: Sha
    head_repository: Repository | None = None
    actor: Account | None = None


class WorkflowRunEvent(Happening):
    """`workflow_run`."""

    workflow: Workflow | None = None
    workflow_run: WorkflowRun
    sender: Account


class App(PayloadPart):
    """A GitHub App."""

    slug: Name | None = None
    name: Name = ""


class CheckSuite(PayloadPart):
    """All checks of one App on one commit."""

    conclusion: Name | None = None
    head_branch: Name | None = None
    head_sha: Sha
    app: App | None = None


class CheckSuiteEvent(Happening):
    """`check_suite`."""

    check_suite: CheckSuite
    sender: Account


class ReleasePayload(PayloadPart):
    """A release on GitHub."""

    tag_name: Name
    draft: bool
    prerelease: bool


class ReleaseEvent(Happening):
    """`release`."""

    release: ReleasePayload
    sender: Account


class Issue(PayloadPart):
    """An issue, or a pull request where it has that part."""

    number: Number
    pull_request: dict[str, object] | None = None


class Comment(PayloadPart):
    """A comment."""

    body: Body
    user: Account | None = None


class IssueCommentEvent(Happening):
    """`issue_comment`, on issues and pull requests."""

    issue: Issue
    comment: Comment
    sender: Account


class Review(PayloadPart):
    """A review of a pull request."""

    state: Name
    body: Body | None = None
    user: Account | None = None


class ReviewedRequest(PayloadPart):
    """The pull request of a review."""

    number: Number


class PullRequestReviewEvent(Happening):
    """`pull_request_review`."""

    review: Review
    pull_request: ReviewedRequest
