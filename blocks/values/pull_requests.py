"""Pull requests on GitHub, as the automation sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from blocks.values.base import Value

# Stands in an approval that a rule gave, where a person does not see it: no person has read that change.
BY_RULE = "<!-- sluice: approved by a rule -->"

MergeMethod = Literal["merge", "squash", "rebase"]


class PullFact(Value):
    """A pull request as it is now.

    Attributes:
        node_id: GitHub's id of it in GraphQL.
        head_repository: The repository that branch is in, `owner/name`; empty where it is gone.
        auto_merge_by: The login that enabled auto-merge, empty where it is not enabled.
    """

    number: int
    node_id: str
    author: str
    title: str
    head: str
    head_branch: str
    head_repository: str
    base: str
    open: bool
    merged_at: datetime | None = None
    merge_commit: str = ""
    draft: bool = False
    auto_merge_by: str = ""
    commits: int | None = None
    changed_files: int | None = None
    link: str = ""

    @property
    def merged(self) -> bool:
        """True when it was merged."""
        return self.merged_at is not None


class ChangedFile(Value):
    """One file a pull request changes, and the path it had before it was renamed or copied."""

    path: str
    previous_path: str = ""


class Push(Value):
    """One push to a branch, as a delivery told of it.

    Attributes:
        sender: The login of who pushed; empty where GitHub did not deliver it, and it was found by itself.
        sha: The commit the branch was at then; empty where it was deleted.
    """

    sender: str
    sha: str


class PullContent(Value):
    """What decides whether a pull request may be merged without a person.

    Attributes:
        authors: The login of each commit's author, in their order; empty where GitHub knows none.
        pushes: The pushes to its branch since that was made, oldest first, as far as deliveries told.
        required_checks: How many checks GitHub requires on the branch it goes to.
    """

    pull: PullFact
    authors: tuple[str, ...]
    files: tuple[ChangedFile, ...]
    pushes: tuple[Push, ...] = ()
    required_checks: int


class PullReceipt(Value):
    """What was done to a pull request; `number` is None where there was none to open."""

    number: int | None = None
    text: str
    link: str = ""
