"""The ledger's database."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from blocks.fields import SluiceBlock

SCHEMES = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


class LedgerDatabase(SluiceBlock):
    """The database of releases, promotions, approvals, backups and leases."""

    _block_type_name = "Ledger Database"
    _block_type_slug = "ledger-database"

    url: SecretStr = Field(
        title="URL",
        description="postgresql://user:password@host:5432/name, or sqlite:////absolute/path/ledger.db.",
    )

    @field_validator("url")
    @classmethod
    def valid_url(cls, value: SecretStr) -> SecretStr:
        """Check the scheme; PostgreSQL is reached through psycopg."""
        scheme, separator, rest = value.get_secret_value().strip().partition("://")
        if not separator or scheme not in SCHEMES or not rest.lstrip("/"):
            raise ValueError("expected postgresql://user:password@host/name or sqlite:////absolute/path")
        return SecretStr(f"{SCHEMES[scheme]}://{rest}")
