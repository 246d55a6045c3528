"""Checks of the servers: reached, logged in, fit, and configured for the application."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from blocks.compose_host import ComposeHost
from deployments.doctor.application import ApplicationFacts
from deployments.doctor.findings import Check, Finding, fail, ok, warn
from tasks.adapters.pool import host_for
from tasks.host.read import app_directory
from tasks.host.scripts import login, script
from tasks.kernel.blocks import read_block
from tasks.kernel.protocols import Call, Limits
from tasks.kernel.text import human_bytes
from tasks.targets.compose.facts import read_env_keys, read_readiness
from tasks.targets.compose.preflight import LEAST_FREE_BYTES, problems_of, version_of

if TYPE_CHECKING:
    from blocks.pipeline import Policy
    from blocks.values.facts import Readiness
    from tasks.kernel.protocols import Host

OLDEST_ENGINE = (23,)

_LIMITS = Limits(total_seconds=60, idle_seconds=60)

# Prints the nearest folder there is on the way to a directory: DIRECTORY; exit status 1 when it cannot be written.
_WRITABLE = """
place=$1
while [ ! -e "$place" ] && [ "$place" != / ]; do place=$(dirname -- "$place"); done
printf '%s\\n' "$place"
[ -d "$place" ] && [ -w "$place" ]
"""


def host_checks(application: ApplicationFacts) -> list[Check]:
    """Return the checks of every host of the application's environments."""
    return [
        Check(f"{policy.name} {name}", partial(_host, name, application, policy))
        for policy in application.policies
        for name in policy.hosts
    ]


def _host(name: str, application: ApplicationFacts, policy: Policy) -> Iterator[Finding]:
    where, block = f"{policy.name} {name}", read_block(ComposeHost, name)
    host = host_for(block, name)
    directory = app_directory(host, block.directory, policy.pipeline)
    yield ok(where, f"{block.user}@{block.address}:{block.port} reached; host key and login are right")
    facts = read_readiness(host, directory)
    yield from _fitness(where, facts, name, policy.pipeline)
    yield _directory(where, host, directory)
    yield _env_file(where, host, directory, application, policy)
    if facts.engine and policy.registry in application.registries:
        yield _registry(where, host, application, policy)


def _fitness(where: str, facts: Readiness, name: str, pipeline: str) -> Iterator[Finding]:
    needed = LEAST_FREE_BYTES
    problems = problems_of(facts, host=name, pipeline=pipeline, ports=frozenset(), needed_bytes=needed)
    for problem in problems:
        what, _, mend = problem.rpartition(": ")
        yield fail(where, what, mend)
    if facts.engine and version_of(facts.engine) < OLDEST_ENGINE:
        yield warn(where, f"Docker engine {facts.engine} is old", "install 23 or newer")
    if not problems:
        free = human_bytes(facts.free_bytes)
        yield ok(where, f"engine {facts.engine}, compose {facts.compose}, flock, {free} free")


def _directory(where: str, host: Host, directory: str) -> Finding:
    result = host.run(Call(argv=script(_WRITABLE, "sluice-writable", directory), limits=_LIMITS))
    place = result.stdout.strip()
    if not result.ok:
        return fail(where, f"{place or directory} cannot be written", f"give the login {place} or its parent")
    return ok(where, f"{directory} " + ("is writable" if place == directory else "can be made"))


def _env_file(
    where: str, host: Host, directory: str, application: ApplicationFacts, policy: Policy
) -> Finding:
    required = application.required.get(policy.name, ())
    found, keys = read_env_keys(host, directory, policy.env_files)
    if found is None:
        names = " or ".join(policy.env_files)
        said = f"there is no {names} in {directory}"
        mend = f"put {policy.env_files[0]} there" + (f" with {', '.join(required)}" if required else "")
        return fail(where, said, mend) if required else warn(where, said, f"{mend}, if compose needs one")
    missing = [key for key in required if key not in keys]
    if missing:
        return fail(where, f"{found} lacks {', '.join(missing)}", f"add them to {directory}/{found}")
    return ok(where, f"{found} has {len(keys)} keys, all {len(required)} required ones among them")


def _registry(where: str, host: Host, application: ApplicationFacts, policy: Policy) -> Finding:
    """Have the host's own engine log in, with a Docker configuration that lives as long as the command."""
    address, configuration = application.registry_login(policy)
    if configuration == "{}":
        return ok(where, f"{address} needs no login; pulls were not tried")
    call = Call(argv=login(("docker", "login", address)), stdin=configuration.encode(), limits=_LIMITS)
    result = host.run(call)
    if result.ok:
        return ok(where, f"its engine reaches {address} and is accepted")
    said = " ".join(result.tail(2).split())[:200]
    mend = "check the network and, for a registry without TLS, insecure-registries in its daemon.json"
    return fail(where, f"its engine is not accepted at {address}: {said}", mend)
