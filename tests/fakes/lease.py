"""A lease that was taken, until it is given back."""

from __future__ import annotations

from collections.abc import Callable


class FakeKeeper:
    """A lease in memory, which nobody else wants.

    Args:
        gave_back: Called when it is given back.

    Attributes:
        kept: True until then.
    """

    def __init__(self, gave_back: Callable[[], object] = lambda: None) -> None:
        self.kept = True
        self._gave_back = gave_back

    def token(self) -> int:
        return 1

    def stop(self) -> None:
        self.kept = False
        self._gave_back()
