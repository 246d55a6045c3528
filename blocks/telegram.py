"""A Telegram chat that is told what happens."""

from __future__ import annotations

import re

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, field_validator

from blocks.fields import BLOCK_CONFIG
from blocks.pipeline.checks import web_address


class TelegramChannel(Block):
    """A Telegram chat that is told what happens."""

    _block_type_name = "Telegram Channel"
    _block_type_slug = "telegram-channel"
    _description = "A Telegram chat that is told what happens."

    model_config = BLOCK_CONFIG

    token: SecretStr = Field(title="Bot token", description="The bot's token, from @BotFather.")
    chat_id: str = Field(
        pattern=r"^(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,})$",
        title="Chat",
        description="The chat's number (negative for groups) or its public @name.",
    )
    base_url: str = Field(
        "https://api.telegram.org",
        title="API address",
        description="Another address of the bot API, for a bot server of your own.",
    )
    silent: bool = Field(default=False, title="Silent", description="Messages arrive without a sound.")

    @field_validator("token")
    @classmethod
    def valid_token(cls, value: SecretStr) -> SecretStr:
        """Check the token's form: it becomes part of an address."""
        token = value.get_secret_value().strip()
        if not re.fullmatch(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}", token):
            message = "expected a bot token, digits, a colon and letters, as @BotFather gives it"
            raise ValueError(message)
        return SecretStr(token)

    @field_validator("chat_id", mode="before")
    @classmethod
    def chat_as_text(cls, value: object) -> object:
        """Take a number as text."""
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("base_url")
    @classmethod
    def valid_base_url(cls, value: str) -> str:
        """Check the address."""
        return web_address(value)
