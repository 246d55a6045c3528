"""What is kept beside Prefect's server for the day it does not answer: how an environment is reached."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, SecretStr

from blocks.pipeline import Policy
from blocks.values.base import Value


class RescueHost(Value):
    """A host as its ComposeHost block had it, and read like it; `app_directory` is absolute."""

    name: str
    address: str
    port: int
    user: str
    key: str = Field(repr=False)
    key_passphrase: str | None = Field(default=None, repr=False)
    host_key: str
    directory: str
    connect_timeout_seconds: float
    app_directory: str

    @property
    def private_key(self) -> SecretStr:
        """The login's private key."""
        return SecretStr(self.key)

    @property
    def passphrase(self) -> SecretStr | None:
        """What opens the key."""
        return SecretStr(self.key_passphrase) if self.key_passphrase else None


class Rescue(Value):
    """All that a rollback needs when neither Prefect's server nor the ledger answers.

    It holds private keys: the file is its login's alone (0600 in a folder of 0700), like Prefect's own database
    beside it, which holds the same keys.
    """

    pipeline: str
    environment: str
    written_at: datetime
    hosts: tuple[RescueHost, ...]
    policy: Policy
    migrates: bool
    secrets: dict[str, str] = Field(default={}, repr=False)
