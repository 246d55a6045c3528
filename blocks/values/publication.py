"""What is to be seen on GitHub of a promotion."""

from __future__ import annotations

from typing import Literal

from blocks.values.base import Value

DeploymentState = Literal["error", "failure", "inactive", "in_progress", "queued", "pending", "success"]
CommitState = Literal["error", "failure", "pending", "success"]

# GitHub refuses longer ones whole.
LONGEST_DESCRIPTION = 140
LONGEST_COMMENT = 65_536
LONGEST_NOTES = 125_000


class DeploymentWish(Value):
    """A deployment on GitHub.

    Attributes:
        production: True for the last environment of a pipeline.
        key: What tells the promotion from all others, of other installations as well.
    """

    sha: str
    environment: str
    production: bool
    description: str
    promotion: int
    key: str


class DeploymentStateWish(Value):
    """Where a deployment stands."""

    state: DeploymentState
    description: str
    log_url: str = ""
    environment_url: str = ""


class CommitStatusWish(Value):
    """A status of a commit."""

    sha: str
    context: str
    state: CommitState
    description: str
    target_url: str = ""


class ReleaseWish(Value):
    """A release on GitHub, of a tag that is there already."""

    tag: str
    name: str
    body: str
    prerelease: bool


class FileFact(Value):
    """A text file in the repository, and git's id of its content, which a change must name."""

    path: str
    text: str
    blob: str


class ShowReceipt(Value):
    """What was shown of a promotion at one moment, and GitHub's id of its deployment, 0 without one."""

    text: str
    deployment: int = 0
    sha: str = ""
    seconds: float = 0.0
