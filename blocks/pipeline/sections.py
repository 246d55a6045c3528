"""The sections of a pipeline: build, migration, database, backup, approvals, timeouts."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Literal, Self

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
    flag,
)
from blocks.values.base import Value

MINUTE = 60.0
HOUR = 60 * MINUTE


class ConflictError(ValueError):
    """Two keys of one section do not go together; `at` is the one to point at."""

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
        (),
        description="The command, as a list of words. Alembic is recognised: its revisions enter the plan. "
        "Left out only where the application migrates at_boot.",
    )
    timeout: Duration = Field(15 * MINUTE, description="How long it may take.")
    at_boot: bool = flag(
        "True where the application runs its migrations when it starts: the dump and its proof then "
        "come before the switch, as for a migration."
    )
    revisions: Argv | None = Field(
        None, description="For other tools: a command that prints the pending migrations, one on each line."
    )
    sql: Argv | None = Field(
        None,
        description="For other tools: a command that prints the SQL of the pending migrations. Without one they "
        "are opaque.",
    )
    dialect: Literal["postgresql", "other"] = Field(
        "postgresql",
        description="What the migrations are written for. Only PostgreSQL's can be judged; others are opaque.",
    )
    downgrade: Argv | None = Field(
        None,
        description="For other tools: a command that runs the down-migrations; {revision} stands for the revision "
        "to go to. Alembic's own is known.",
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

    @property
    def target(self) -> str:
        """Where `alembic upgrade` goes (`head`, `heads`, a revision); `head` where the command does not say."""
        words = self.command[len(self.alembic or ()) :]
        plain = (
            [word for word in words[words.index("upgrade") + 1 :] if not word.startswith("-")]
            if words
            else []
        )
        return plain[0] if plain else "head"

    @model_validator(mode="after")
    def somebody_migrates(self) -> Self:
        """Refuse a migration that nobody runs, or that is run twice."""
        if not self.command and not self.at_boot:
            raise ConflictError("command", "expected the migration command (or at_boot: true)")
        if self.command and self.at_boot:
            raise ConflictError(
                "at_boot", "either the application or the command runs the migrations — remove one of them"
            )
        return self


class DatabaseRules(Value):
    """What may happen to the database, and what must be proven on a copy of it before."""

    destructive: Literal["refuse", "allow"] = Field(
        "refuse",
        description="Whether a migration that breaks the release running now may run together with the switch. "
        "`refuse` allows it when the releases that need the old schema are retired for retired_for, or with "
        "an override.",
    )
    retired_for: Duration = Field(
        24 * HOUR,
        description="How long the running release, proven on a migrated copy, must have run alone before what "
        "earlier releases need may be removed.",
    )
    override_required: int = Field(
        2,
        ge=1,
        le=20,
        description="How many of the environment's approvers must agree to an override of destructive, or to a "
        "restore over live data.",
    )
    lock_timeout: Duration = Field(
        5.0, description="How long a migration waits for a lock (PostgreSQL's lock_timeout, by PGOPTIONS)."
    )
    statement_timeout: Duration = Field(
        15 * MINUTE, description="How long one statement of a migration may take (statement_timeout)."
    )
    drill: bool = flag("Restore the dump into a throw-away container and compare it before a migration.")
    rehearse: bool = flag(
        "Run the pending migration on a restored copy and start both releases there, before anybody "
        "is asked. Includes the drill."
    )
    services: tuple[ServiceName, ...] = Field(
        (),
        description="The services that are started on the copy and must become healthy; none: the migration's.",
    )
    check: Argv | None = Field(
        None,
        description="A command run in the first of these services on the copy, as further proof, such as a test.",
    )
    drill_host: BlockName | None = Field(
        None,
        description="The ComposeHost block of the host that runs the drills; none: the host of the database.",
    )


class Backup(Value):
    """The database dump taken before anything changes: PostgreSQL's own, or the team's command."""

    service: ServiceName = Field(
        description="The compose service that is dumped, or that runs the team's command."
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
    may_be_empty: bool = flag(
        "True where a dump without a table is right although it is not known which database the "
        "application uses. If another one has tables, this works only together with `database`."
    )
    timeout: Duration = Field(HOUR, description="How long the dump may take.")
    keep: int = Field(10, ge=1, le=1000, description="How many dumps are kept on the host.")
    keep_days: int | None = Field(
        None,
        ge=1,
        le=3650,
        description="Dumps older than this are removed, but never the newest good one; none: only keep counts.",
    )
    copy_host: BlockName | None = Field(
        None, description="The ComposeHost block of a second host that gets a copy of each dump."
    )
    copy_url: Text | None = Field(
        None,
        description="A folder that gets a copy of each dump, as an fsspec address (s3://bucket/dumps, "
        "file:///srv/dumps).",
    )
    copy_options: BlockName | None = Field(
        None, description="The Secret block with fsspec's options for copy_url, a JSON object."
    )

    @property
    def built_in(self) -> bool:
        """True for PostgreSQL's own dump."""
        return self.command is None

    @model_validator(mode="after")
    def own_command_stands_alone(self) -> Self:
        """Refuse options of pg_dump beside the team's own command."""
        for name in ("user", "database", "may_be_empty"):
            if self.command is not None and getattr(self, name):
                raise ConflictError(name, "only for the built-in dump — remove it, or remove command")
        if self.copy_options is not None and self.copy_url is None:
            raise ConflictError("copy_options", "only with copy_url — remove it, or name the folder")
        return self


class Quorum(Value):
    """So many of these people."""

    required: int
    approvers: BlockNames

    @model_validator(mode="after")
    def reachable(self) -> Self:
        """Refuse a quorum that nobody can reach."""
        if self.required > len(self.approvers):
            message = f"expected at most the number of approvers ({len(self.approvers)}), got {self.required}"
            raise ConflictError("required", message)
        return self


class Approvals(Quorum):
    """Who must say yes to the plan before it is carried out."""

    required: int = Field(
        1,
        ge=1,
        le=20,
        description="How many different approvers must say yes. Without it one; two in the last of several "
        "environments, where two are named.",
    )
    approvers: BlockNames = Field(min_length=1, description="The Approver blocks of those who may approve.")
    not_author: bool = Field(
        default=True, description="The author of a commit that comes in may not approve it."
    )
    not_requester: bool = Field(
        default=True, description="The person who asked for the promotion may not approve it."
    )
    expires: Duration = Field(
        24 * HOUR, ge=MINUTE, description="How long the promotion waits, and how long a yes is valid."
    )
    reviews: bool = flag(
        "A review on GitHub that names the plan counts like a one-time code, where the Approver block "
        "has the reviewer's login."
    )


class Timeouts(Value):
    """How long the steps may take."""

    preflight: Duration = Field(MINUTE, description="All checks before the first change.")
    pull: Duration = Field(10 * MINUTE, description="Pulling the images onto one host.")
    up: Duration = Field(5 * MINUTE, description="Starting the services until all are healthy.")
    settle: Duration = Field(5.0, description="How long restarts are watched after the services are up.")
    lease_wait: Duration = Field(
        10 * MINUTE, description="Waiting for another promotion to leave the environment."
    )
