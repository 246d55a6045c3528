"""A web address to which what happens is sent, as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping

from prefect.types import SecretDict
from pydantic import Field, SecretStr, field_validator

from blocks.fields import is_web_address, one_line
from blocks.notifier import Notifier, Post

_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie|signature", re.IGNORECASE)


class WebhookChannel(Notifier):
    """A web address that gets notifications, as JSON in a POST request."""

    _block_type_name = "Webhook Channel"
    _block_type_slug = "webhook-channel"

    url: SecretStr = Field(title="URL", description="Where the JSON is posted, http or https.")
    headers: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        description='Further request headers, such as {"Authorization": "Bearer …"}.',
    )

    @field_validator("url")
    @classmethod
    def valid_url(cls, value: SecretStr) -> SecretStr:
        """Check the address."""
        if not is_web_address(value.get_secret_value()):
            raise ValueError("expected an http or https address")
        return value

    @field_validator("headers")
    @classmethod
    def valid_headers(cls, value: SecretDict) -> SecretDict:
        """Check names and values: no line break may start a header of its own."""
        for name, text in value.get_secret_value().items():
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not isinstance(text, str):
                raise ValueError("expected header names with text values")
            one_line(text)
        return value

    def secrets(self) -> tuple[str, ...]:
        """Return the address, and the headers that log in."""
        headers = self.headers.get_secret_value().items()
        return (self.url.get_secret_value(), *(text for name, text in headers if _SECRET_HEADER.search(name)))

    def send(self, text: str, data: Mapping[str, object], key: str, post: Post) -> None:
        """Post `{"text": …, "data": …}` with the header `Idempotency-Key`."""
        headers = {**self.headers.get_secret_value(), "Idempotency-Key": key}
        post("the webhook", self.url.get_secret_value(), {"text": text, "data": dict(data)}, headers)
