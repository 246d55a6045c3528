"""What GitHub says about a commit, its pull request and its branch, as far as gates ask."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from blocks.values.base import Value


class CheckFact(Value):
    """One commit status or check run of a commit.

    Attributes:
        kind: `status` for a commit status, `run` for a check run.
        state: `pending` until it ended; then GitHub's own word: `success`, `failure`, `skipped`, …
        number: GitHub's id of it; a later attempt has a higher one.
    """

    kind: Literal["status", "run"]
    name: str
    state: str
    number: int
    app_id: int | None = None
    link: str = ""


class RequiredCheck(Value):
    """A check that must be green, of one app where one is named."""

    name: str
    app_id: int | None = None


class ReviewFact(Value):
    """One review of a pull request.

    Attributes:
        state: GitHub's word: `APPROVED`, `CHANGES_REQUESTED`, `DISMISSED`, `COMMENTED`, `PENDING`.
        commit: The head of the pull request when it was given.
        may_write: True when the reviewer may push to the repository, as GitHub's own rules want it.
    """

    reviewer: str
    state: str
    commit: str
    submitted_at: datetime | None = None
    may_write: bool = False
    link: str = ""
    number: int = 0
    body: str = ""


class PullRequestFact(Value):
    """A pull request a commit belongs to; the `head` of a merged one is the commit that was merged."""

    number: int
    author: str
    head: str
    base: str
    merged_at: datetime | None = None
    merge_commit: str = ""
    link: str = ""
    reviews: tuple[ReviewFact, ...] = ()
    title: str = ""
    open: bool = False


class ProtectionFact(Value):
    """What GitHub enforces on a branch, by branch protection and rulesets together."""

    branch: str
    pull_requests: bool = False
    reviews: int = 0
    required: tuple[RequiredCheck, ...] = ()
    no_force_push: bool = False
    no_deletion: bool = False
    link: str = ""


class GitHubFacts(Value):
    """What was read from GitHub for the gates of one environment; what no gate asks for is None.

    Attributes:
        checks: The newest attempts of the commit's statuses and check runs.
    """

    checks: tuple[CheckFact, ...] | None = None
    pulls: tuple[PullRequestFact, ...] | None = None
    protection: ProtectionFact | None = None
    link: str = ""


class Budget(Value):
    """How many requests GitHub still takes from this login, of how many in an hour."""

    limit: int
    remaining: int
    resets_at: datetime
