"""A Telegram chat that gets notifications."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field, SecretStr, field_validator

from blocks.notifier import Notifier, Post
from blocks.pipeline.fields import WebAddress

# As Telegram counts: UTF-16 units.
LONGEST = 4096


class TelegramChannel(Notifier):
    """A Telegram chat that gets notifications."""

    _block_type_name = "Telegram Channel"
    _block_type_slug = "telegram-channel"

    token: SecretStr = Field(title="Bot token", description="The bot's token, from @BotFather.")
    chat_id: str = Field(
        pattern=r"^(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,})$",
        title="Chat",
        description="The chat's number (negative for groups) or its public @name.",
    )
    base_url: WebAddress = Field(
        "https://api.telegram.org",
        title="API address",
        description="Another address of the bot API, for a bot server of your own.",
    )
    silent: bool = Field(default=False, description="Messages arrive without a sound.")

    @field_validator("token")
    @classmethod
    def valid_token(cls, value: SecretStr) -> SecretStr:
        """Check the token's form: it becomes part of an address."""
        token = value.get_secret_value().strip()
        if not re.fullmatch(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}", token):
            raise ValueError("expected a bot token, digits, a colon and letters, as @BotFather gives it")
        return SecretStr(token)

    @field_validator("chat_id", mode="before")
    @classmethod
    def chat_as_text(cls, value: object) -> object:
        """Take a number as text."""
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def secrets(self) -> tuple[str, ...]:
        """Return the bot's token."""
        return (self.token.get_secret_value(),)

    def send(self, text: str, data: Mapping[str, object], key: str, post: Post) -> None:  # noqa: ARG002 - the text says it all
        """Send a text as it is: nothing in a commit's subject can be markup. Telegram knows no repeated message."""
        body = {
            "chat_id": self.chat_id,
            "text": shorten(text, LONGEST),
            "disable_notification": self.silent,
            "link_preview_options": {"is_disabled": True},
        }
        post(
            "Telegram",
            f"{self.base_url.rstrip('/')}/bot{self.token.get_secret_value()}/sendMessage",
            body,
            {},
        )


def shorten(text: str, units: int) -> str:
    """Cut a text to so many UTF-16 units, which is how Telegram counts, and mark the cut.

    A character outside the first plane counts two and is never split.
    """
    if _units(text) <= units:
        return text
    kept, left = [], units - 1
    for character in text:
        left -= _units(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
