"""The section `pull_requests`: what happens to pull requests on GitHub by itself. Without it nothing does."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from blocks.pipeline.fields import BranchName, Listed, Many, Matching, PipelineName, RefPatterns, Text, flag
from blocks.values.base import Value
from blocks.values.pull_requests import MergeMethod

# An App's login ends with `[bot]`, which is refused here: what bots push starts nothing.
Author = Annotated[
    str,
    Matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", "a person's GitHub login, without the @; bots start nothing"),
]
PathPattern = Annotated[
    str,
    Matching(
        r"(?!/)(?!.*//)(?!(?:.*/)?\.{1,2}(?:/|$))[^\x00-\x1f\x7f\\:\[\]{}]{1,200}(?<!/)",
        "a path or pattern such as docs/** or *.md, relative to the repository",
    ),
]

Authors = Annotated[tuple[Author, ...], Field(min_length=1), Listed()]
PathPatterns = Annotated[tuple[PathPattern, ...], Field(min_length=1), Listed()]
EnvironmentNames = Many[PipelineName]


class OpenRule(Value):
    """Which branches get a pull request when they are pushed, and into which branch."""

    branches: RefPatterns = Field(
        min_length=1,
        description="Branches that get a pull request, as patterns; `*` stands for any characters.",
    )
    into: BranchName = Field(description="The branch the pull request goes to.")
    draft: bool = flag("Open it as a draft, where the repository's plan has drafts.")
    title: Text | None = Field(
        None,
        description="Its title; {branch} and {into} stand for the branches. None: the subject of the newest commit.",
    )


class AutoMergeRule(Value):
    """Which pull requests are merged without a person, as soon as GitHub's own rules allow it."""

    into: BranchName = Field(
        description="The branch they go to. Never one from which something may enter a guarded environment."
    )
    authors: Authors = Field(
        description="The people whose pull requests these are: they must have opened it, written every "
        "commit and pushed it."
    )
    paths: PathPatterns = Field(
        description="What may be changed, as patterns: `*` stands for anything but `/`, `**` for `/` too. "
        "Every changed file must match."
    )
    method: MergeMethod = Field("squash", description="How it is merged: merge, squash or rebase.")
    approve: bool = flag("The login of the github block also approves it.")


class PullRequests(Value):
    """What happens to pull requests by itself. Read from the default branch."""

    open: tuple[OpenRule, ...] = Field(
        (), description="Which branches get a pull request when they are pushed."
    )
    auto_merge: tuple[AutoMergeRule, ...] = Field(
        (), description="Which pull requests are merged without a person."
    )
    revert_after_rollback: EnvironmentNames = Field(
        (),
        description="After a rollback of these environments, pull requests are opened that revert the "
        "release that was rolled back.",
    )
