"""The pipeline: one application, its images, and its environments in their order."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from blocks.pipeline.environments import (
    Environment,
    Policy,
    ReleaseDescription,
)
from blocks.pipeline.fields import (
    BlockName,
    BlockNames,
    DataRoles,
    KeptReleases,
    Paths,
    PipelineName,
    Profiles,
    RelativePath,
)
from blocks.pipeline.problems import PipelineError, Problem, nearest, shown
from blocks.pipeline.protection import Protect
from blocks.pipeline.pull_requests import PullRequests
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
from blocks.pipeline.watch import Watch

COMPOSE_DEFAULTS = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
ENV_EXAMPLE_DEFAULT = ".env.example"
# Before production, one pair of eyes more than before everything else.
_LAST_REQUIRED = 2


class Pipeline(Written):
    """How one application is built and carried through its environments."""

    pipeline: PipelineName = Field(
        description="The application's name: compose project, image repositories and folder on the hosts."
    )
    registry: BlockName = Field("main", description="The ContainerRegistry block the images are kept in.")
    compose: Paths = Field(
        (),
        description="The compose files, in the order of `-f`. None: the first that the commit has of "
        + ", ".join(COMPOSE_DEFAULTS)
        + ".",
    )
    profiles: Profiles = Field((), description="The compose profiles that are started.")
    env_example: RelativePath = Field(
        ENV_EXAMPLE_DEFAULT,
        description="The file of the commit that lists the keys an env file must have. It may be absent "
        "unless it is named here.",
    )
    build: Build = Field(
        description="How the images are built, beyond the compose files.", default_factory=Build
    )
    migration: Migration | None = Field(None, description="The migration command. None: no step migrates.")
    backup: Backup | None = Field(
        None, description="The database dump taken before each change. Required where a migration is given."
    )
    database: DatabaseRules = Field(
        description="What may happen to the database, and what is proven on a copy first.",
        default_factory=DatabaseRules,
    )
    smoke: tuple[Smoke, ...] = Field(
        (), description="The checks that decide whether a release works, in order."
    )
    keep_releases: KeptReleases = Field(
        5, description="How many releases stay on the hosts, images included, for a rollback."
    )
    data: DataRoles = Field(
        {},
        description="What happens to files that the application writes into a mount where git tracks files: source as "
        "in the compose files (`./data`) → `carry`, copied into the next release, or `release`, left behind on "
        "purpose. What is not named here and was written is refused.",
    )
    notify: BlockNames = Field((), description="The notification channels' blocks.")
    timeouts: Timeouts = Field(
        description="How long each step may take, and how long it waits.", default_factory=Timeouts
    )
    protect: Protect = Field(
        description="What GitHub has to enforce on branches and environments. None: nothing is required.",
        default_factory=Protect,
    )
    watch: Watch | None = Field(
        None, description="How a release is watched once it runs. None: it is not watched."
    )
    show: Show = Field(description="What is shown on GitHub.", default_factory=Show)
    pull_requests: PullRequests = Field(
        description="What happens to pull requests on GitHub automatically.", default_factory=PullRequests
    )
    environments: dict[PipelineName, Environment] = Field(
        min_length=1, description="The environments, in the order a release goes through them."
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The environments' names, in their order."""
        return tuple(self.environments)

    def policy(self, name: str) -> Policy:
        """Resolve what decides about an environment. Call it on the default branch's pipeline.

        Raises:
            PipelineError: The pipeline has no such environment.
        """
        written = self._written(name)
        shared = Policy.model_fields.keys() & Environment.model_fields.keys()
        values = {
            **{field: self._value(name, field) for field in shared},
            "pipeline": self.pipeline,
            "name": name,
            "registry": self.registry,
            "branch": written.head,
            "env_files": written.env_file or (f".env.{name}", ".env"),
            "build_secrets": self.build.secrets,
            "approvals": self._approvals(name),
        }
        return Policy(**values)

    def describe(self, name: str) -> ReleaseDescription:
        """Resolve what describes a release in an environment. Call it on the commit's pipeline.

        Raises:
            PipelineError: The pipeline has no such environment.
        """
        return ReleaseDescription(
            pipeline=self.pipeline,
            environment=name,
            compose=self._value(name, "compose"),
            profiles=self._value(name, "profiles"),
            build=self.build.model_copy(update={"secrets": {}}),
            migration=self._value(name, "migration"),
            env_example=self.env_example,
            env_example_required="env_example" in self.model_fields_set,
        )

    def _written(self, name: str) -> Environment:
        if name not in self.environments:
            message = (
                f'pipeline "{self.pipeline}" has no environment {shown(name)}{nearest(name, self.names)}'
            )
            raise PipelineError([Problem(("environments",), message)])
        return self.environments[name]

    def _value(self, name: str, field: str) -> Any:  # noqa: ANN401 - any field
        """Return what an environment says, or what the pipeline says of all where the environment says nothing."""
        written = self._written(name)
        inherits = field in type(self).model_fields and field not in written.model_fields_set
        return getattr(self if inherits else written, field)

    def _approvals(self, name: str) -> Approvals | None:
        """Return who must say yes: where nobody wrote how many, the end of the way asks for a second person."""
        approvals = self._written(name).approvals
        if approvals is None or "required" in approvals.model_fields_set:
            return approvals
        last = len(self.names) > 1 and name == self.names[-1]
        required = min(_LAST_REQUIRED, len(approvals.approvers)) if last else approvals.required
        return approvals.model_copy(update={"required": required})
