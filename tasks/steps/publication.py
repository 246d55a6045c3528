"""What is needed to show promotions on GitHub, for as long as one flow runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefect.futures import PrefectFuture

    from blocks.pipeline import Policy
    from tasks.git.mirror import GitMirror
    from tasks.ledger.store import Ledger


class Showing:
    """What is needed to show promotions on GitHub. No dataclass: Prefect looks into those."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        policies: Mapping[str, Policy],
        mirror: GitMirror,
        github: str,
        default_branch: str,
    ) -> None:
        self.ledger = ledger
        self.policies = policies
        self.mirror = mirror
        self.github = github
        self.default_branch = default_branch
        # One moment after the other: each shows what is true when its turn comes.
        self.lock = threading.Lock()
        # What is shown beside the flow; it is waited for at the end.
        self.begun: list[PrefectFuture[str]] = []

    @property
    def environments(self) -> tuple[str, ...]:
        """The environments, in their order."""
        return tuple(self.policies)
