"""Environments: as written, and resolved into what decides and what describes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from pydantic import Field

from blocks.pipeline.checks import GLOB_CHARACTERS
from blocks.pipeline.fields import (
    BlockNames,
    BranchName,
    DataRole,
    DataRoles,
    KeptReleases,
    Paths,
    PipelineName,
    Profiles,
    RefPatterns,
    WebAddress,
)
from blocks.pipeline.gates import Gates
from blocks.pipeline.sections import (
    Approvals,
    Backup,
    Build,
    DatabaseRules,
    Migration,
    Timeouts,
    Written,
)
from blocks.pipeline.show import Show
from blocks.pipeline.smoke import Smoke
from blocks.pipeline.triggers import Triggers
from blocks.pipeline.watch import Watch
from blocks.values.base import Value


def _replaces(what: str, default: Callable[[], object]) -> Any:  # noqa: ANN401 - as `Field`
    """Return a key that is inherited from the pipeline where it is not given."""
    return Field(description=f"Replaces {what}.", default_factory=default)


class Environment(Written):
    """One place the application runs. What it gives replaces the pipeline's own; the rest is inherited."""

    hosts: BlockNames = Field(min_length=1, description="The ComposeHost blocks of its hosts.")
    address: WebAddress | None = Field(
        None, description="Where the application answers; HTTP smoke checks and {address} use it."
    )
    branches: RefPatterns = Field(
        (), description="Branches that may enter, as patterns; `*` stands for any characters, `/` included."
    )
    tags: RefPatterns = Field((), description="Tags that may enter, as patterns.")
    branch: BranchName | None = Field(
        None,
        description="The branch whose head is promoted when no ref is given. "
        "None: the only entry of branches that is not a pattern.",
    )
    env_file: Paths = Field(
        default_factory=tuple,
        min_length=1,
        description="The env file on the host, relative to the application's directory; of a list, the first "
        "that exists. None: .env.<environment>, then .env.",
    )
    proven_in: PipelineName | None = Field(
        None, description="The earlier environment in which a release must have succeeded before."
    )
    approvals: Approvals | None = Field(None, description="Who must approve the plan. None: nobody is asked.")
    gates: Gates = Field(
        description="What else must be true before a release may enter.", default_factory=Gates
    )
    triggers: Triggers = Field(
        description="Which events on GitHub start a run here. None: nothing does.", default_factory=Triggers
    )

    compose: Paths = _replaces("the pipeline's compose files", tuple)
    profiles: Profiles = _replaces("the pipeline's profiles", tuple)
    migration: Migration | None = _replaces("the pipeline's migration; null: none here", lambda: None)
    backup: Backup | None = _replaces("the pipeline's backup; null: none here", lambda: None)
    database: DatabaseRules = _replaces("the pipeline's database rules, all of them", DatabaseRules)
    smoke: tuple[Smoke, ...] = _replaces("the pipeline's smoke checks", tuple)
    notify: BlockNames = _replaces("the pipeline's notification channels", tuple)
    timeouts: Timeouts = _replaces("the pipeline's timeouts, all of them", Timeouts)
    keep_releases: KeptReleases = _replaces("the pipeline's keep_releases", lambda: 5)
    data: DataRoles = _replaces("all of the pipeline's data", dict)
    watch: Watch | None = _replaces("the pipeline's watch; null: releases are not watched here", lambda: None)
    show: Show = _replaces("everything that the pipeline shows on GitHub", Show)

    @property
    def head(self) -> str | None:
        """The branch whose head is promoted when no ref is given, None where that is not clear."""
        plain = [pattern for pattern in self.branches if not GLOB_CHARACTERS.intersection(pattern)]
        return self.branch or (plain[0] if len(plain) == 1 else None)


class Policy(Value):
    """What decides about an environment. Read from the default branch, never from the commit promoted.

    Attributes:
        env_files: Env files on the host, relative to the application's directory; the first found counts.
        data: Source of a mount within the release → what becomes of what the application wrote there.
        build_secrets: Build secret id → Secret block. A branch must not choose which secrets its build gets.
        show: What is shown on GitHub. It decides nothing.
    """

    pipeline: str
    name: str
    registry: str
    hosts: tuple[str, ...]
    address: str | None
    branches: tuple[str, ...]
    tags: tuple[str, ...]
    branch: str | None
    env_files: tuple[str, ...]
    proven_in: str | None
    approvals: Approvals | None
    gates: Gates
    smoke: tuple[Smoke, ...]
    notify: tuple[str, ...]
    backup: Backup | None
    database: DatabaseRules
    timeouts: Timeouts
    keep_releases: int
    watch: Watch | None
    build_secrets: dict[str, str]
    show: Show = Show()
    data: dict[str, DataRole] = {}

    @property
    def checksum(self) -> str:
        """Sha256 over the policy, hex: it changes when anything that decides changes."""
        data = self.model_dump(mode="json", exclude={"show"})
        # Without gates of its own an environment keeps the checksum it had before there were any; likewise reviews,
        # the watch, the data and the empty dump: plans that wait across an update were made with this checksum.
        if self.gates == Gates():
            del data["gates"]
        if self.watch is None:
            del data["watch"]
        if not self.data:
            del data["data"]
        if self.approvals is not None and not self.approvals.reviews:
            del data["approvals"]["reviews"]
        if self.backup is not None and not self.backup.may_be_empty:
            del data["backup"]["may_be_empty"]
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class ReleaseDescription(Value):
    """What describes a release in an environment. Read from the commit promoted.

    Attributes:
        compose: In the order of `-f`; empty: the first default name in the commit.
        build: How the images are built; without secrets, which only the default branch may name.
        env_example_required: True when the pipeline names the file, so that it must exist.
        defaulted: True when the commit says nothing about itself, and the default branch, which moves, does.
    """

    pipeline: str
    environment: str
    compose: tuple[str, ...]
    profiles: tuple[str, ...]
    build: Build
    migration: Migration | None
    env_example: str
    env_example_required: bool
    defaulted: bool = False

    @property
    def checksum(self) -> str:
        """Sha256 over what the default branch says, hex; empty where the commit says it, which stays as it is."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest() if self.defaulted else ""
