"""What every kind of notification channel is: a block that sends a text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol

from blocks.fields import SluiceBlock


class Post(Protocol):
    """Posts JSON, tries again what may pass, and fails with one line that shows no address."""

    def __call__(self, who: str, url: str, body: Mapping[str, object], headers: Mapping[str, str]) -> None:
        """Post to an address; `who` names the receiver in errors."""


class Notifier(SluiceBlock):
    """A notification channel; a new kind is a file beside this one, and its class in `catalog.NOTIFIERS`."""

    @abstractmethod
    def secrets(self) -> tuple[str, ...]:
        """Return what no log and no error may show."""

    @abstractmethod
    def send(self, text: str, data: Mapping[str, object], key: str, post: Post) -> None:
        """Send a text; whatever is raised is logged, and the next channel's turn comes.

        Args:
            key: Equal for every try of one message.
            post: How JSON is posted, for kinds that are reached this way.
        """
