"""What a flow works with: settings, ledger, repository, policy, hosts, registry, put together from blocks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.compose_host import ComposeHost
from blocks.git_repository import GitRepository
from blocks.pipeline import Pipeline, PipelineError, Policy, ReleaseDescription, load_pipeline
from blocks.registry import ContainerRegistry
from blocks.settings import Settings
from blocks.values.asked import RepositoryFacts
from tasks.adapters.engine import DockerEngine
from tasks.adapters.local import LocalRunner
from tasks.adapters.pool import host_for
from tasks.adapters.registry import HttpRegistry
from tasks.git.login import GitLogin
from tasks.git.mirror import GitMirror, mirror_directory
from tasks.host.read import app_directory
from tasks.images.resolve import fetch, read_policy
from tasks.kernel.blocks import read_block
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.redact import install_log_redaction, process_redactor
from tasks.ledger.connect import open_ledger
from tasks.steps.publication import Showing
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from tasks.adapters.ssh import SshHost
    from tasks.ledger.store import Ledger


@dataclass(frozen=True)
class Reached:
    """What an environment is made of, and was reached.

    Attributes:
        kinds: Host name → the slug of its block's type.
    """

    registry: ContainerRegistry
    hosts: Mapping[str, SshHost]
    directories: Mapping[str, str]
    kinds: Mapping[str, str]


@dataclass(frozen=True)
class Session:
    """One flow run's view of the application, the same for every promotion of it.

    Attributes:
        mirror: Its mirror, fetched.
        policy_text: pipeline.yaml on the default branch.
        github: What showing promotions on GitHub needs; None in a look from outside.
    """

    settings: Settings
    ledger: Ledger
    repository: GitRepository
    mirror: GitMirror
    policy_text: str
    pipeline: Pipeline
    github: Showing | None = None

    def policy(self, environment: str) -> Policy:
        """Return what decides about an environment."""
        try:
            return self.pipeline.policy(environment)
        except PipelineError as error:
            raise TerminalError(str(error), f"environments are: {', '.join(self.pipeline.names)}") from None

    def showing(self, policy: Policy) -> Showing | None:
        """Return what showing an environment's promotions needs; None where nothing of them is shown."""
        return self.github if policy.show.anything else None

    def describe(self, environment: str, release_text: str) -> ReleaseDescription:
        """Return what describes a release, from its own commit.

        A commit without a pipeline.yaml, or one that does not know the environment, is described by the
        default branch: it says how the application is put together, and decides nothing.

        Args:
            release_text: pipeline.yaml in the commit; empty where it has none.
        """
        if release_text not in ("", self.policy_text):
            own = read_pipeline(release_text, f"{self.repository.pipeline_path} (in the commit)")
            if environment in own.names and own.pipeline == self.pipeline.pipeline:
                return own.describe(environment)
        description = self.pipeline.describe(environment)
        return description.model_copy(update={"defaulted": release_text != self.policy_text})

    def reach(self, policy: Policy) -> Reached:
        """Read an environment's blocks, and log in to its hosts."""
        registry = read_block(ContainerRegistry, policy.registry)
        logins = {name: read_block(ComposeHost, name) for name in policy.hosts}
        hosts = {name: host_for(block, name) for name, block in logins.items()}
        directories = {
            name: app_directory(host, logins[name].directory, policy.pipeline) for name, host in hosts.items()
        }
        kinds = {name: block.get_block_type_slug() for name, block in logins.items()}
        return Reached(registry, hosts, directories, kinds)

    @contextmanager
    def reaching(self, policy: Policy) -> Iterator[Callable[[], Reached]]:
        """Reach an environment while something else is done.

        Yields:
            What waits for it and returns it, with the errors of `reach`. Leaving waits as well.
        """
        with ThreadPoolExecutor(1) as beside:
            yield beside.submit(copy_context().run, self.reach, policy).result

    def run(
        self,
        promotion_id: int,
        policy: Policy,
        description: ReleaseDescription,
        reached: Reached | None = None,
    ) -> Run:
        """Return the live side of one promotion.

        Args:
            promotion_id: Its row; 0 for a look that changes nothing.
        """
        reached = reached or self.reach(policy)
        registry = reached.registry
        password = registry.password.get_secret_value() if registry.password else ""
        process_redactor().add(*([password] if password else []))
        return Run(
            ledger=self.ledger,
            promotion_id=promotion_id,
            pipeline=policy.pipeline,
            policy=policy,
            description=description,
            mirror=self.mirror,
            hosts=dict(reached.hosts),
            directories=dict(reached.directories),
            kinds=reached.kinds,
            registry=HttpRegistry(
                registry.address,
                registry.username,
                password,
                insecure=registry.insecure,
                verify_tls=registry.verify_tls,
            ),
            registry_prefix="/".join(part for part in (registry.address, registry.namespace) if part),
            registry_login=docker_config(registry.address, registry.username, password),
            engine=DockerEngine(username=registry.username, password=password),
            local=LocalRunner(),
            work=self.settings.home / "work" / self.mirror.directory.stem,
            showing=self.showing(policy),
        )


def docker_config(address: str, username: str | None, password: str | None) -> str:
    """Return a Docker configuration (JSON) that logs in to one registry."""
    if not username or not password:
        return "{}"
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    process_redactor().add(token)
    return json.dumps({"auths": {address: {"auth": token}}})


def read_pipeline(text: str, file: str) -> Pipeline:
    """Read a pipeline, with its errors as a step's error."""
    try:
        return load_pipeline(text, file)
    except PipelineError as error:
        raise TerminalError(str(error), "correct the file and push it") from None


def open_mirror(repository: GitRepository, settings: Settings) -> GitMirror:
    """Return the mirror of a repository, as its block describes it."""
    token, key = repository.token, repository.ssh_private_key
    login = GitLogin(
        token=token.get_secret_value() if token else "",
        username=repository.username or GitLogin.username,
        ssh_key=key.get_secret_value() if key else "",
        known_hosts=repository.known_hosts,
    )
    return GitMirror(repository.url, mirror_directory(settings.home / "mirrors", repository.url), login)


def repository_facts(repository: GitRepository) -> RepositoryFacts:
    """Return where a repository's block leads."""
    return RepositoryFacts(
        url=repository.url,
        default_branch=repository.default_branch,
        pipeline_path=repository.pipeline_path,
        github=repository.github,
    )


@contextmanager
def open_session(
    source: str,
    *,
    must_fetch: bool = True,
    ledger: Ledger | None = None,
    check: Callable[[RepositoryFacts], None] | None = None,
) -> Iterator[Session]:
    """Open the ledger and the repository, and read the policy from the default branch.

    Args:
        source: The name of the application's `git-repository` block.
        must_fetch: False where the last known state of the repository will do: a rollback must not depend on it.
        ledger: The ledger, where it is open already; whoever opened it closes it.
        check: Says whether the repository may be used at all, before it is.
    """
    install_log_redaction(process_redactor())
    settings = Settings()
    repository = read_block(GitRepository, source)
    if check is not None:
        check(repository_facts(repository))
    mirror = open_mirror(repository, settings)
    known = not must_fetch and mirror.exists()
    try:
        fetch(mirror, hurried=known)
    except SluiceError as error:
        if not known:
            raise
        log().warning("%s; continuing with what was fetched last", error)
    text = read_policy(mirror, repository.default_branch, repository.pipeline_path)
    pipeline = read_pipeline(text, repository.pipeline_path)
    with nullcontext(ledger) if ledger is not None else open_ledger(settings) as opened:
        yield Session(
            settings=settings,
            ledger=opened,
            repository=repository,
            mirror=mirror,
            policy_text=text,
            pipeline=pipeline,
            github=showing_of(opened, pipeline, mirror, repository_facts(repository)),
        )


def showing_of(ledger: Ledger, pipeline: Pipeline, mirror: GitMirror, repository: RepositoryFacts) -> Showing:
    """Return what showing promotions on GitHub needs."""
    return Showing(
        ledger=ledger,
        policies={name: pipeline.policy(name) for name in pipeline.names},
        mirror=mirror,
        github=repository.github,
        default_branch=repository.default_branch,
    )
