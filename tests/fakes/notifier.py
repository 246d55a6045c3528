"""A notification channel that keeps what it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from blocks.notifier import Post


@dataclass(frozen=True)
class Sent:
    """One message."""

    text: str
    data: Mapping[str, object]
    key: str


@dataclass
class FakeNotifier:
    """A notifier in memory.

    Attributes:
        sent: What was sent, oldest first.
        error: Raised in place of sending.
    """

    sent: list[Sent] = field(default_factory=list)
    error: Exception | None = None

    def secrets(self) -> tuple[str, ...]:
        return ()

    def send(self, text: str, data: Mapping[str, object], key: str, post: Post) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(Sent(text, data, key))
