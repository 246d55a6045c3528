"""Pull requests on GitHub, as the automation sees them."""

from __future__ import annotations

from typing import Literal

from blocks.values.base import Value

MergeMethod = Literal["merge", "squash", "rebase"]


class PullFact(Value):
    """A pull request as it is now.

    Attributes:
        number: Its number.
        node_id: GitHub's id of it in GraphQL.
        author: The login of who opened it, empty for an account that is gone.
        title: Its title, as it was typed.
        head: The commit at its head.
        head_branch: The branch it comes from.
        head_repository: The repository that branch is in, `owner/name`; empty where it is gone.
        base: The branch it goes to.
        open: True while it is neither closed nor merged.
        merged: True when it was merged.
        draft: True while its author says that it is not ready.
        auto_merge_by: The login that enabled auto-merge, empty where it is not enabled.
        commits: How many commits it has; None where GitHub did not say.
        changed_files: How many files it changes; None where GitHub did not say.
        link: Where it stands.
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
    merged: bool
    draft: bool = False
    auto_merge_by: str = ""
    commits: int | None = None
    changed_files: int | None = None
    link: str = ""


class ChangedFile(Value):
    """One file a pull request changes.

    Attributes:
        path: Its path.
        previous_path: The path it had before it was renamed or copied; empty where it was neither.
    """

    path: str
    previous_path: str = ""


class PullContent(Value):
    """What decides whether a pull request may be merged without a person.

    Attributes:
        pull: The pull request.
        authors: The login of each commit's author, in their order; empty where GitHub knows none.
        files: The files it changes.
        pushers: The logins that pushed its branch, as far as deliveries told; a name may be there more than once.
        required_checks: How many checks GitHub requires on the branch it goes to.
    """

    pull: PullFact
    authors: tuple[str, ...]
    files: tuple[ChangedFile, ...]
    pushers: tuple[str, ...]
    required_checks: int
