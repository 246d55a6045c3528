"""A container registry."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from blocks.fields import OneLine, OptionalSecret, SluiceBlock

_ADDRESS = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")


class ContainerRegistry(SluiceBlock):
    """The container registry a release's images are kept in, with its login."""

    _block_type_name = "Container Registry"
    _block_type_slug = "container-registry"

    address: str = Field(
        description="Host and port, without scheme, such as ghcr.io or 10.0.0.5:5000. "
        "The hosts must reach it under the same address.",
    )
    namespace: str = Field(
        "",
        description="A path between the address and the pipeline's name, such as my-org.",
    )
    username: OneLine = Field(
        "", title="User name", description="The login's name; empty for a registry without login."
    )
    password: OptionalSecret = Field(
        None,
        description="The login's password or access token; it must be allowed to push.",
    )
    insecure: bool = Field(
        default=False,
        title="Plain HTTP",
        description="The registry speaks HTTP without TLS. Each engine must list it in insecure-registries.",
    )
    verify_tls: bool = Field(
        default=True,
        title="Verify the certificate",
        description="Off: a certificate that no known authority signed is accepted.",
    )

    @field_validator("address")
    @classmethod
    def valid_address(cls, value: str) -> str:
        """Check the address."""
        if not _ADDRESS.fullmatch(value):
            raise ValueError(
                "expected host or host:port without scheme and path, such as ghcr.io or 10.0.0.5:5000"
            )
        return value.lower()

    @field_validator("namespace")
    @classmethod
    def valid_namespace(cls, value: str) -> str:
        """Check the namespace; slashes around it are dropped."""
        namespace = value.strip("/")
        if namespace and not all(map(_COMPONENT.fullmatch, namespace.split("/"))):
            raise ValueError("expected lower-case path components, such as my-org or my-org/apps")
        return namespace

    @model_validator(mode="after")
    def whole_login(self) -> Self:
        """Refuse half a login."""
        if bool(self.username) != bool(self.password):
            raise ValueError("a login needs both user name and password — fill in both, or neither")
        return self

    @property
    def prefix(self) -> str:
        """What every repository begins with: the address and the namespace."""
        return "/".join(part for part in (self.address, self.namespace) if part)

    @property
    def url(self) -> str:
        """The root of its HTTP API, without the trailing slash."""
        return f"{'http' if self.insecure else 'https'}://{self.address}"

    def repository(self, pipeline: str, target: str) -> str:
        """Return the repository of one build target.

        Returns:
            `<address>/[<namespace>/]<pipeline>/<target>`, in lower case.

        Raises:
            ValueError: The target's name cannot be part of a repository's name.
        """
        name = target.lower()
        if not _COMPONENT.fullmatch(name):
            raise ValueError(f"the build target {target!r} cannot name an image — rename the service")
        return f"{self.prefix}/{pipeline}/{name}"
