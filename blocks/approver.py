"""A person who may approve plans; the block's name is the approver's name."""

from __future__ import annotations

import base64
import binascii
import re

from pydantic import Field, SecretStr, field_validator

from blocks.fields import SluiceBlock, one_line

# RFC 4226, section 4, R6: the shared secret is at least 128 bits long.
SHORTEST_SECRET_BYTES = 16
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})")


class Approver(SluiceBlock):
    """A person who may approve plans, verified by one-time codes (TOTP)."""

    _block_type_name = "Approver"
    _block_type_slug = "approver"

    person: str = Field(min_length=1, max_length=100, description="The person's name, as shown in history.")
    totp_secret: SecretStr = Field(
        title="One-time code secret",
        description="The shared secret of the authenticator app, base32; `sluice approver add` makes one.",
    )
    identities: list[str] = Field(
        min_length=1,
        description="The person's git e-mail addresses and GitHub logins: "
        "they identify an author or requester.",
    )
    active: bool = Field(default=True, description="Off: the person's approvals no longer count.")

    github_login: str = Field(
        default="",
        max_length=40,
        title="GitHub login",
        description="Whose reviews count as this person's where `approvals.reviews` is on. Empty: nobody's.",
    )

    @field_validator("person")
    @classmethod
    def valid_person(cls, value: str) -> str:
        """Check the name."""
        return one_line(value.strip())

    @field_validator("totp_secret")
    @classmethod
    def valid_secret(cls, value: SecretStr) -> SecretStr:
        """Check and normalise the secret: upper case, without blanks and padding."""
        text = "".join(value.get_secret_value().split()).replace("-", "").rstrip("=").upper()
        try:
            size = len(base64.b32decode(text + "=" * (-len(text) % 8)))
        except (binascii.Error, ValueError):
            size = 0
        if size < SHORTEST_SECRET_BYTES:
            raise ValueError("expected a base32 secret of at least 26 characters (A to Z, 2 to 7)")
        return SecretStr(text)

    @field_validator("identities")
    @classmethod
    def valid_identities(cls, value: list[str]) -> list[str]:
        """Check the identities; a leading @ of a login is dropped."""
        names = [one_line(name.strip().removeprefix("@")) for name in value]
        if not all(names):
            raise ValueError("expected e-mail addresses and logins, none of them empty")
        return list(dict.fromkeys(names))

    @field_validator("github_login")
    @classmethod
    def valid_login(cls, value: str) -> str:
        """Check the login; a leading @ is dropped, and an app's is none: an approver is a person."""
        login = value.strip().removeprefix("@")
        if login and not _LOGIN.fullmatch(login):
            raise ValueError("expected a login on GitHub, such as ana-k")
        return login

    def known_as(self, identity: str) -> bool:
        """Say whether a git address or a login is this person's, in any case."""
        wanted = identity.strip().removeprefix("@").casefold()
        own = (*self.identities, *([self.github_login] if self.github_login else []))
        return any(name.casefold() == wanted for name in own)
