"""A server that runs applications with Docker Compose, reached over SSH."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from blocks.fields import HostName, OptionalSecret, PrivateKey, SluiceBlock
from blocks.pipeline.checks import relative_path
from blocks.ssh_keys import parse_host_keys, read_private_key


def _normalised(host_keys: str) -> str:
    return "\n".join(parse_host_keys(host_keys))


class ComposeHost(SluiceBlock):
    """A server that runs applications with Docker Compose, reached over SSH."""

    _block_type_name = "Compose Host"
    _block_type_slug = "compose-host"

    address: HostName = Field(description="The server's host name or IP address.")
    port: int = Field(22, ge=1, le=65535, title="SSH port", description="The port its SSH server listens on.")
    user: str = Field(
        "deploy",
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$",
        description="The login; it must be allowed to use Docker (a member of group docker).",
    )
    private_key: PrivateKey = Field(
        title="Private key",
        description="The login's private SSH key (Ed25519, ECDSA or RSA), with its BEGIN and END lines.",
    )
    passphrase: OptionalSecret = Field(
        None, description="What the private key is encrypted with; empty for a plain key."
    )
    host_key: Annotated[str, AfterValidator(_normalised)] = Field(
        title="Host key",
        description="The server's public host keys, such as `ssh-ed25519 AAAA…`, one on each line; from "
        "/etc/ssh/ssh_host_ed25519_key.pub on the server. Only these are accepted.",
    )
    directory: str = Field(
        "sluice",
        description="Where applications live on the server: absolute, or relative to the login's home.",
    )
    connect_timeout_seconds: float = Field(
        10.0,
        gt=0,
        le=600,
        title="Connect timeout",
        description="How long one attempt to connect may take, in seconds.",
    )

    @field_validator("directory")
    @classmethod
    def valid_directory(cls, value: str) -> str:
        """Check the directory; an absolute one may not be the root."""
        path = relative_path(value.removeprefix("/"))
        return f"/{path}" if value.startswith("/") else path

    @model_validator(mode="after")
    def readable_private_key(self) -> Self:
        """Check that the key can be read, so that a wrong passphrase shows when the block is made."""
        read_private_key(self.private_key.get_secret_value(), self.plain_passphrase)
        return self

    @property
    def plain_passphrase(self) -> str | None:
        """The passphrase, None for a plain key."""
        return self.passphrase.get_secret_value() if self.passphrase else None

    @property
    def host_keys(self) -> tuple[str, ...]:
        """The pinned host keys, each `type base64`."""
        return tuple(self.host_key.splitlines())
