"""The git repository of an application."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from blocks.fields import OneLine, OptionalPrivateKey, OptionalSecret, SluiceBlock
from blocks.pipeline.fields import BranchName, RelativePath
from blocks.ssh_keys import parse_host_keys

Transport = Literal["https", "http", "ssh", "file"]

_SCP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:(?!:)[^:\s]+")


class GitRepository(SluiceBlock):
    """The git repository of an application: its address, credentials and pipeline."""

    _block_type_name = "Git Repository"
    _block_type_slug = "git-repository"

    url: str = Field(
        title="URL",
        description="https://…, ssh://…, git@host:owner/name.git, file:///… or an absolute path; "
        "without credentials.",
    )
    token: OptionalSecret = Field(None, description="An access token with read permission, for https.")
    username: OneLine = Field(
        "x-access-token",
        title="User name",
        description="The name sent with the token: x-access-token for GitHub, oauth2 for GitLab.",
    )
    ssh_private_key: OptionalPrivateKey = Field(
        None, title="SSH private key", description="A deploy key without passphrase, for ssh."
    )
    known_hosts: str = Field(
        "",
        title="Known hosts",
        description="The git server's host keys as known_hosts lines (`host type key`); required for ssh.",
    )
    default_branch: BranchName = Field(
        "main",
        title="Default branch",
        description="The branch with the policy: environments, hosts, gates and approvals are read from it.",
    )
    pipeline_path: RelativePath = Field(
        "pipeline.yaml", title="Pipeline", description="Where the pipeline is in the repository."
    )
    github: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9-]{0,99})?$",
        title="GitHub",
        description="The name of the github block of the same repository; needed where a gate asks GitHub.",
    )

    @field_validator("url")
    @classmethod
    def valid_url(cls, value: str) -> str:
        """Check the address; git's `ext::command` and anything that looks like an option are refused."""
        if transport_of(value) is None:
            raise ValueError(
                "expected https://…, ssh://…, git@host:owner/name.git, file:///… or an absolute path"
            )
        parts = urlsplit(value) if "://" in value else None
        if parts and (parts.password is not None or (parts.username and parts.scheme != "ssh")):
            raise ValueError("expected an address without credentials — put the token into its own field")
        return value

    @field_validator("known_hosts")
    @classmethod
    def valid_known_hosts(cls, value: str) -> str:
        """Check that each line names a host and a readable key."""
        lines = [line.strip() for line in value.splitlines() if line.strip() and not line.startswith("#")]
        for line in lines:
            if not parse_host_keys(line)[0].startswith(" ".join(line.split()[1:2])):
                raise ValueError("expected known_hosts lines, such as github.com ssh-ed25519 AAAA…")
        return "".join(f"{line}\n" for line in lines)

    @model_validator(mode="after")
    def credentials_fit(self) -> Self:
        """Refuse credentials that would be sent in clear, and an SSH server nobody vouches for."""
        if self.token and self.transport != "https":
            raise ValueError("a token is only sent over https — use an https URL, or remove the token")
        if self.transport == "ssh" and not self.known_hosts:
            raise ValueError("known_hosts is required for ssh — add the server's host key")
        return self

    @property
    def transport(self) -> Transport:
        """How the repository is reached."""
        return transport_of(self.url) or "file"


def transport_of(url: str) -> Transport | None:
    """Tell how a git address is reached; None for one that is not accepted."""
    if re.search(r"[\x00-\x20\x7f]", url):
        return None
    if url.startswith("/") or _SCP.fullmatch(url):
        return "file" if url.startswith("/") else "ssh"
    try:
        parts = urlsplit(url)
        reached = {"https": parts.hostname, "http": parts.hostname, "ssh": parts.hostname, "file": parts.path}
    except ValueError:
        return None
    scheme = parts.scheme
    # A host that begins with a dash would be read by ssh as an option.
    if scheme not in reached or not reached[scheme] or (parts.hostname or "").startswith("-"):
        return None
    return scheme  # type: ignore[return-value]
