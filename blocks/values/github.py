"""What GitHub says about a commit, its pull request and its branch, as far as gates ask."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from blocks.values.base import Value


class CheckFact(Value):
    """One commit status or check run of a commit.

    Attributes:
        kind: `status` for a commit status, `run` for a check run.
        name: The status's context, or the check run's name.
        state: `pending` until it ended; then GitHub's own word: `success`, `failure`, `skipped`, …
        number: GitHub's id of it; a later attempt has a higher one.
        app_id: The app that made a check run, None for a status.
        link: Where a person reads about it; empty without.
    """

    kind: Literal["status", "run"]
    name: str
    state: str
    number: int
    app_id: int | None = None
    link: str = ""


class RequiredCheck(Value):
    """A check that must be green.

    Attributes:
        name: The status's context or the check run's name.
        app_id: The app it must come from, None for any.
    """

    name: str
    app_id: int | None = None


class ReviewFact(Value):
    """One review of a pull request.

    Attributes:
        reviewer: The login, empty for an account that is gone.
        state: GitHub's word: `APPROVED`, `CHANGES_REQUESTED`, `DISMISSED`, `COMMENTED`, `PENDING`.
        commit: The head of the pull request when it was given.
        submitted_at: When, UTC; None for one that was not submitted.
        may_write: True when the reviewer may push to the repository, as GitHub's own rules want it.
        link: Where it stands.
        number: GitHub's id of it.
        body: Its text.
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
    """A pull request a commit belongs to.

    Attributes:
        number: Its number.
        author: The login of who opened it, empty for an account that is gone.
        head: The commit at its head; for a merged one, the head that was merged.
        base: The branch it goes to.
        merged_at: When it was merged, UTC; None while it is not.
        merge_commit: The commit the merge made; empty while it is not merged.
        link: Where it stands.
        reviews: Its reviews, oldest first.
        title: Its title, as its author wrote it.
        open: True while it is neither merged nor closed.
    """

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
    """What GitHub enforces on a branch, by branch protection and rulesets together.

    Attributes:
        branch: The branch.
        pull_requests: True when changes come by pull request only.
        reviews: How many approving reviews a pull request needs.
        required: The checks that must be green.
        no_force_push: True when its history cannot be rewritten.
        no_deletion: True when it cannot be deleted.
        link: Where a person reads about it.
    """

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
        pulls: The pull requests the commit belongs to.
        protection: What is enforced on the branch the gates name.
        link: The commit's page.
    """

    checks: tuple[CheckFact, ...] | None = None
    pulls: tuple[PullRequestFact, ...] | None = None
    protection: ProtectionFact | None = None
    link: str = ""


class Budget(Value):
    """How many requests GitHub still takes from this login.

    Attributes:
        limit: How many in an hour.
        remaining: How many are left.
        resets_at: When they are counted anew, UTC.
    """

    limit: int
    remaining: int
    resets_at: datetime
