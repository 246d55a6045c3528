"""What GitHub's webhooks are accepted with: secrets, and the repositories they may be about."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, field_validator

from blocks.fields import SluiceBlock

SHORTEST_SECRET = 16
MOST_SECRETS = 5

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_BLOCK = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


class GitHubWebhooks(SluiceBlock):
    """Lets GitHub's webhooks start promotions: their secrets and repositories."""

    _block_type_name = "GitHub Webhooks"
    _block_type_slug = "github-webhooks"

    secrets: list[SecretStr] = Field(
        min_length=1,
        max_length=MOST_SECRETS,
        description="The secret typed into the webhook on GitHub; while it is changed, the old one as well.",
    )
    repositories: dict[str, str] = Field(
        min_length=1,
        description='Repository → its git-repository block, such as {"acme/shop": "default"}; '
        "deliveries of others are refused.",
    )

    @field_validator("secrets")
    @classmethod
    def long_secrets(cls, value: list[SecretStr]) -> list[SecretStr]:
        """Refuse secrets that could be guessed."""
        if any(len(one.get_secret_value().strip()) < SHORTEST_SECRET for one in value):
            raise ValueError(
                f"expected secrets of at least {SHORTEST_SECRET} characters, such as `openssl rand -hex 32`"
            )
        return [SecretStr(one.get_secret_value().strip()) for one in value]

    @field_validator("repositories")
    @classmethod
    def valid_repositories(cls, value: dict[str, str]) -> dict[str, str]:
        """Check the repositories' names, and those of their blocks."""
        if not all(_REPOSITORY.fullmatch(name) and _BLOCK.fullmatch(block) for name, block in value.items()):
            raise ValueError("expected owner/name → the name of a git-repository block")
        if len({name.casefold() for name in value}) < len(value):
            raise ValueError("a repository is listed twice; upper and lower case are the same to GitHub")
        return value

    def keys(self) -> tuple[bytes, ...]:
        """Return the secrets in clear, as they sign; never log them."""
        return tuple(one.get_secret_value().encode() for one in self.secrets)

    def known_as(self, repository: str) -> str | None:
        """Return a repository's name as it is configured, None for one that is not."""
        return next((name for name in self.repositories if name.casefold() == repository.casefold()), None)
