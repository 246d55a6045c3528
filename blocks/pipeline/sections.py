"""The sections of a pipeline: build, migration, backup, approvals, timeouts."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from blocks.pipeline.durations import Duration
from blocks.pipeline.fields import (
    ArgumentName,
    Argv,
    BlockName,
    BlockNames,
    DatabaseName,
    Platform,
    SecretId,
    ServiceName,
    Text,
)
from blocks.values.base import Value

MINUTE = 60.0
HOUR = 60 * MINUTE


class ConflictError(ValueError):
    """Two keys of one section do not go together.

    Args:
        at: The key to point at.
        message: What is wrong and what to do.
    """

    def __init__(self, at: str, message: str) -> None:
        self.at = at
        super().__init__(message)


class Written(Value):
    """A section as it was written: what was left out stays out when it is serialised.

    An environment replaces what it gives and inherits the rest, and `null` is not the same as nothing.
    """

    @model_serializer(mode="wrap")
    def given_only(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Serialise the given fields only."""
        return {name: value for name, value in handler(self).items() if name in self.model_fields_set}


class Build(Value):
    """How the images are built, beyond what the compose files say."""

    platforms: tuple[Platform, ...] = Field(
        (), description="Platforms to build for, such as linux/amd64; none: the builder's own."
    )
    args: dict[ArgumentName, Text] = Field(
        {}, description="Build arguments for every image. They end up in the image: never secrets."
    )
    secrets: dict[SecretId, BlockName] = Field(
        {},
        description="Build secrets (RUN --mount=type=secret): id → name of the Secret block that holds the "
        "value. Read from the default branch.",
    )
    timeout: Duration = Field(30 * MINUTE, description="How long the whole build may take.")
    idle_timeout: Duration = Field(10 * MINUTE, description="How long the build may print nothing.")


class Migration(Value):
    """The application's own migration command, run once with the new image before the switch."""

    service: ServiceName = Field(description="The compose service whose image has the command.")
    command: Argv = Field(
        description="The command, as a list of words. Alembic is recognised: its revisions enter the plan."
    )
    timeout: Duration = Field(15 * MINUTE, description="How long it may take.")
    revisions: Argv | None = Field(
        None, description="For other tools: a command that prints the pending migrations, one on each line."
    )

    @property
    def alembic(self) -> tuple[str, ...] | None:
        """The words that start Alembic, with its options (`alembic -c a.ini`); None for other tools."""
        for index, word in enumerate(self.command):
            if PurePosixPath(word).name == "alembic":
                end = self.command.index("upgrade", index) if "upgrade" in self.command[index:] else index + 1
                return self.command[:end]
        return None

    @property
    def only_upgrades(self) -> bool:
        """True for `alembic upgrade`, which does nothing where no migration is pending."""
        return self.alembic is not None and "upgrade" in self.command[len(self.alembic) :]


class Backup(Value):
    """The database dump taken before anything changes: PostgreSQL's own, or the team's command."""

    service: ServiceName = Field(
        description="The compose service that is dumped, or that has the team's command."
    )
    command: Argv | None = Field(
        None, description="The team's own command; what it prints is the dump. None: PostgreSQL's pg_dump."
    )
    user: DatabaseName | None = Field(
        None, description="The database user for pg_dump; none: the service's POSTGRES_USER."
    )
    database: DatabaseName | None = Field(
        None, description="The database to dump; none: the service's POSTGRES_DB."
    )
    timeout: Duration = Field(HOUR, description="How long the dump may take.")
    keep: int = Field(10, ge=1, le=1000, description="How many dumps are kept on the host.")

    @property
    def built_in(self) -> bool:
        """True for PostgreSQL's own dump."""
        return self.command is None

    @model_validator(mode="after")
    def own_command_stands_alone(self) -> Self:
        """Refuse options of pg_dump beside the team's own command."""
        for name in ("user", "database"):
            if self.command is not None and getattr(self, name) is not None:
                raise ConflictError(name, "only for the built-in dump — remove it, or remove command")
        return self


class Approvals(Value):
    """Who must say yes to the plan before it is carried out."""

    required: int = Field(1, ge=1, le=20, description="How many different approvers must say yes.")
    approvers: BlockNames = Field(min_length=1, description="The Approver blocks of those who may approve.")
    not_author: bool = Field(
        default=True, description="The author of a commit that comes in may not approve it."
    )
    not_requester: bool = Field(default=True, description="Who asked for the promotion may not approve it.")
    expires: Duration = Field(
        24 * HOUR, ge=MINUTE, description="How long the promotion waits, and how long a yes counts."
    )

    @model_validator(mode="after")
    def reachable(self) -> Self:
        """Refuse a quorum that nobody can reach."""
        if self.required > len(self.approvers):
            message = f"expected at most the number of approvers ({len(self.approvers)}), got {self.required}"
            raise ConflictError("required", message)
        return self


class Timeouts(Value):
    """How long the steps may take."""

    preflight: Duration = Field(MINUTE, description="All checks before the first change.")
    pull: Duration = Field(10 * MINUTE, description="Pulling the images onto one host.")
    up: Duration = Field(5 * MINUTE, description="Starting the services until all are healthy.")
    settle: Duration = Field(5.0, description="How long restarts are watched after the services are up.")
    lease_wait: Duration = Field(
        10 * MINUTE, description="Waiting for another promotion to leave the environment."
    )
