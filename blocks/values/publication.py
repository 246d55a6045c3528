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
        sha: The commit.
        environment: The environment's name.
        production: True for the last environment of a pipeline.
        description: What it is, at most 140 characters.
        promotion: The promotion's number.
        key: What tells the promotion from all others, of other installations as well.
    """

    sha: str
    environment: str
    production: bool
    description: str
    promotion: int
    key: str


class DeploymentStateWish(Value):
    """Where a deployment stands.

    Attributes:
        state: GitHub's word.
        description: One line, at most 140 characters.
        log_url: The run's page; empty for none.
        environment_url: Where the application answers; empty for none.
    """

    state: DeploymentState
    description: str
    log_url: str = ""
    environment_url: str = ""


class CommitStatusWish(Value):
    """A status of a commit.

    Attributes:
        sha: The commit.
        context: Its name.
        state: GitHub's word.
        description: One line, at most 140 characters.
        target_url: The run's page; empty for none.
    """

    sha: str
    context: str
    state: CommitState
    description: str
    target_url: str = ""


class ReleaseWish(Value):
    """A release on GitHub.

    Attributes:
        tag: The tag, which is there already.
        name: Its title.
        body: Its notes, Markdown.
        prerelease: Whether it is one by its version.
    """

    tag: str
    name: str
    body: str
    prerelease: bool


class FileFact(Value):
    """A text file in the repository.

    Attributes:
        path: Its path.
        text: What it holds.
        blob: Git's id of its content, which a change must name.
    """

    path: str
    text: str
    blob: str


class ShowReceipt(Value):
    """What was shown of a promotion at one moment.

    Attributes:
        text: One line for a person.
        deployment: The deployment's id on GitHub, 0 without one.
        sha: The commit it is about; empty where none was known.
        seconds: How long it took.
    """

    text: str
    deployment: int = 0
    sha: str = ""
    seconds: float = 0.0
