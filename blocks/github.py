"""A repository on GitHub: where checks, reviews and branch rules are read."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from blocks.fields import OptionalPrivateKey, OptionalSecret, SluiceBlock
from blocks.pipeline.checks import web_address

_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class GitHub(SluiceBlock):
    """A repository on GitHub, with the login that reads its checks, reviews and branch rules."""

    _block_type_name = "GitHub"
    _block_type_slug = "github"

    repository: str = Field(description="owner/name, as in its address.")
    token: OptionalSecret = Field(
        None, description="A fine-grained access token for this repository; or an app below."
    )
    app_id: int | None = Field(None, ge=1, title="App id", description="The GitHub App's id.")
    installation_id: int | None = Field(
        None, ge=1, title="Installation id", description="The number of the app's installation."
    )
    private_key: OptionalPrivateKey = Field(
        None, title="Private key", description="The app's private key (PEM), with its BEGIN and END lines."
    )
    base_url: str = Field(
        "https://api.github.com",
        title="API address",
        description="Of GitHub Enterprise Server: https://<host>/api/v3.",
    )

    @field_validator("repository")
    @classmethod
    def valid_repository(cls, value: str) -> str:
        """Check the repository's name: it becomes part of every address."""
        if not _REPOSITORY.fullmatch(value):
            raise ValueError("expected owner/name, such as acme/shop, without the address before it")
        return value

    @field_validator("base_url")
    @classmethod
    def valid_base_url(cls, value: str) -> str:
        """Check the address; without TLS only this machine's own: the token would be sent in clear."""
        address = web_address(value)
        parts = urlsplit(address)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise ValueError("expected an https address — the login would be sent unencrypted")
        return address

    @model_validator(mode="after")
    def one_login(self) -> Self:
        """Refuse no login, half an app, and two logins at once."""
        app = (self.app_id, self.installation_id, self.private_key)
        if any(app) and not all(app):
            raise ValueError("an app needs app_id, installation_id and private_key — fill in all three")
        if bool(self.token) == all(app):
            raise ValueError("expected one login: a token, or an app's id, installation and key")
        return self
