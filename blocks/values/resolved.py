"""What a ref resolves to."""

from __future__ import annotations

from typing import Literal

from blocks.values.base import Value
from blocks.values.releases import Commit


class Resolved(Value):
    """What was asked for, as git and the pipeline have it.

    Attributes:
        name: The branch's or tag's name; the commit id for a commit.
        tree: Git's tree id of the commit.
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
