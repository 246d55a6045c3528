"""What a ref resolves to."""

from __future__ import annotations

from typing import Literal

from blocks.values.base import Value
from blocks.values.releases import Commit


class Resolved(Value):
    """What was asked for, as git and the pipeline have it.

    Attributes:
        kind: Whether a branch, a tag or a bare commit was named.
        name: The branch's or tag's name; the commit id for a commit.
        commit: The commit.
        tree: Git's tree id of the commit.
        tags_at_commit: The tags that point at the commit.
        branches_containing: The branches whose history holds the commit.
        policy_text: The text of pipeline.yaml on the default branch.
        release_text: The text of pipeline.yaml in the commit; empty where the commit has none.
    """

    kind: Literal["branch", "tag", "commit"]
    name: str
    commit: Commit
    tree: str
    tags_at_commit: tuple[str, ...] = ()
    branches_containing: tuple[str, ...] = ()
    policy_text: str
    release_text: str
