"""Checks of one application: its repository, its pipeline, and the blocks the pipeline names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from blocks.approver import Approver
from blocks.git_repository import GitRepository
from blocks.pipeline import Pipeline, PipelineError, Policy, load_pipeline
from blocks.pipeline.smoke import HttpCheck
from blocks.registry import ContainerRegistry
from blocks.settings import Settings
from deployments.control_plane.prefect_api import PrefectApi
from deployments.doctor.findings import Check, Finding, fail, failure, ok, warn
from deployments.doctor.github import github_findings, pull_request_findings
from flows.approvals.people import approver_facts
from flows.core.describe import describe_commit
from flows.core.session import docker_config, open_mirror
from flows.domain.approvals.quorum import shared_identities
from tasks.adapters.registry import HttpRegistry
from tasks.images.resolve import read_policy
from tasks.kernel.blocks import BlockError, MissingBlockError, read_block
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.steps.notify import read_channel


@dataclass(frozen=True)
class ApplicationFacts:
    """What was read of the application, as far as it could be.

    Attributes:
        policies: What decides about each environment that is looked at.
        required: Environment → the keys its env file must have.
        registries: Registry block → the block.
    """

    pipeline: Pipeline
    policies: tuple[Policy, ...]
    required: dict[str, tuple[str, ...]]
    registries: dict[str, ContainerRegistry]
    repository: GitRepository
    head: str

    def registry_login(self, policy: Policy) -> tuple[str, str]:
        """Return a registry's address and the Docker configuration that logs in to it."""
        block = self.registries[policy.registry]
        password = block.password.get_secret_value() if block.password else None
        return block.address, docker_config(block.address, block.username, password)


def read_application(
    settings: Settings, source: str, environment: str | None
) -> tuple[ApplicationFacts | None, list[Finding]]:
    """Read repository, pipeline and registries, of one environment or of all.

    Returns:
        The application, None where it could not be read; and what was found meanwhile.
    """
    where = "repository"
    try:
        repository = read_block(GitRepository, source)
        mirror = open_mirror(repository, settings)
        mirror.fetch()
        found = [ok(where, f"{mirror.public_url} answers")]
        text = read_policy(mirror, repository.default_branch, repository.pipeline_path)
        pipeline = load_pipeline(text, repository.pipeline_path)
        names = _chosen(pipeline, environment)
    except PipelineError as error:
        mend = "correct it and push it to the default branch"
        return None, [fail("pipeline", str(problem), mend) for problem in error.problems]
    except (SluiceError, ValueError) as error:
        return None, [failure(where, error)]
    found.append(ok("pipeline", f"{pipeline.pipeline}, {' → '.join(pipeline.names)}"))
    sha = mirror.resolve(f"refs/heads/{repository.default_branch}").sha
    required: dict[str, tuple[str, ...]] = {}
    for name in names:
        try:
            required[name] = describe_commit(mirror, pipeline.describe(name), sha).required
        except SluiceError as error:
            found.append(failure(f"pipeline {name}", error))
    policies = tuple(pipeline.policy(name) for name in names)
    registries, problems = _registries(policies)
    return ApplicationFacts(pipeline, policies, required, registries, repository, sha), [*found, *problems]


def _chosen(pipeline: Pipeline, environment: str | None) -> tuple[str, ...]:
    if environment is None:
        return pipeline.names
    if environment not in pipeline.names:
        raise TerminalError(
            f"{pipeline.pipeline} has no environment {environment}",
            f"its environments are {', '.join(pipeline.names)}",
        )
    return (environment,)


def _registries(policies: Iterable[Policy]) -> tuple[dict[str, ContainerRegistry], list[Finding]]:
    loaded: dict[str, ContainerRegistry] = {}
    problems: list[Finding] = []
    for name in sorted({policy.registry for policy in policies}):
        try:
            loaded[name] = read_block(ContainerRegistry, name)
        except (SluiceError, ValueError) as error:
            problems.append(failure(f"registry {name}", error))
    return loaded, problems


def application_checks(application: ApplicationFacts, api: PrefectApi) -> list[Check]:
    """Return the checks of what the pipeline names, hosts apart."""
    registries = application.registries.items()
    return [
        *(Check(f"registry {name}", partial(_registry, name, block)) for name, block in registries),
        Check("github", partial(_github, application)),
        Check("approvers", partial(_approvers, application.policies)),
        Check("channels", partial(_channels, application.policies)),
        Check("secrets", partial(_secrets, application, api)),
    ]


def _registry(name: str, block: ContainerRegistry) -> Iterator[Finding]:
    password = block.password.get_secret_value() if block.password else ""
    HttpRegistry(block.address, block.username, password, insecure=block.insecure).check_login()
    who = f"login {block.username} accepted" if block.username else "no login"
    yield ok(f"registry {name}", f"{block.address} answers, {who}")


def _github(application: ApplicationFacts) -> Iterator[Finding]:
    repository = application.repository
    yield from github_findings(
        repository.github,
        application.policies,
        sha=application.head,
        default_branch=repository.default_branch,
    )
    yield from pull_request_findings(repository.github, application.pipeline.pull_requests)


def _approvers(policies: Sequence[Policy]) -> Iterator[Finding]:
    names = {name for policy in policies if policy.approvals for name in policy.approvals.approvers}
    able: set[str] = set()
    for name in sorted(names):
        try:
            block = read_block(Approver, name)
        except BlockError as error:
            missing = isinstance(error, MissingBlockError)
            mend = f"enrol them: `sluice approver add {name}`" if missing else error.todo
            yield warn(f"approver {name}", error.what, mend)
            continue
        if block.active:
            able.add(name)
            continue
        mend = "switch them on, or take them out of pipeline.yaml"
        yield warn(f"approver {name}", "is not active", mend)
    people = [facts for name in sorted(able) if (facts := approver_facts(name)) is not None]
    for one, other in shared_identities(people):
        yield warn(
            f"approver {one}",
            f"shares an identity or a one-time-code secret with {other}",
            "give each person one approver of their own",
        )
    for policy in policies:
        if policy.approvals is not None:
            yield _quorum(policy.name, policy.approvals.required, policy.approvals.approvers, able)


def _quorum(environment: str, needed: int, names: Sequence[str], able: set[str]) -> Finding:
    where = f"approvers {environment}"
    there = [name for name in names if name in able]
    said = f"{len(there)} of {len(names)} can approve, {needed} needed"
    if len(there) < needed:
        return fail(where, said, "enrol them: `sluice approver add NAME`")
    return ok(where, said)


def _channels(policies: Sequence[Policy]) -> Iterator[Finding]:
    for name in sorted({name for policy in policies for name in policy.notify}):
        where = f"channel {name}"
        try:
            yield ok(where, f"{read_channel(name).get_block_type_slug()}/{name} is there")
        except BlockError as error:
            yield failure(where, error)


def _secrets(application: ApplicationFacts, api: PrefectApi) -> Iterator[Finding]:
    wanted = set(application.pipeline.build.secrets.values())
    for policy in application.policies:
        for check in policy.smoke:
            if isinstance(check, HttpCheck):
                wanted.update(check.header_secrets.values())
                wanted.update([check.basic_auth] if check.basic_auth else [])
    known = {str(one["name"]) for one in api.block_documents("secret")} if wanted else set()
    for name in sorted(wanted):
        if name in known:
            yield ok("secrets", f"secret {name} is there")
        else:
            yield fail("secrets", f"there is no secret {name}", f"create a Secret block {name}")
