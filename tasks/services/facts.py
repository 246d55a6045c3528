"""What is true on the hosts now. Nothing here changes anything."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

from blocks.values.facts import HostFacts, Readiness
from tasks.database.schema import read_schema
from tasks.host.env_file import parse_env
from tasks.host.host_facts import (
    READINESS,
    parse_readiness,
)
from tasks.host.read import QUICK, app_directory, no_manifest, read_containers, read_manifest
from tasks.host.scripts import script
from tasks.kernel.protocols import Call
from tasks.kernel.redact import process_redactor
from tasks.release_data.carry import writers
from tasks.release_data.read import read_data
from tasks.steps.step import fact

if TYPE_CHECKING:
    from concurrent.futures import Future

    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from blocks.values.release_data import ReleaseData
    from tasks.kernel.protocols import Host
    from tasks.steps.run import Run

_SECRET_KEY = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|DSN|_URL$|^URL$", re.IGNORECASE)
_SHORTEST_SECRET = 4

__all__ = [
    "app_directory",
    "read_containers",
    "read_env_keys",
    "read_host",
    "read_manifest",
    "read_readiness",
]


def read_readiness(host: Host, directory: str) -> Readiness:
    """Read what the preflight asks of a host, in one round trip."""
    return parse_readiness(
        host.run(Call(argv=script(READINESS, "sluice-readiness", directory), limits=QUICK)).stdout
    )


def read_env_keys(host: Host, directory: str, names: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Find the env file and return its name and its keys; its secrets are redacted from now on.

    Args:
        names: The names to look for, in order.

    Returns:
        The first name that exists and its keys, sorted; `(None, ())` where none does.
    """
    for name in names:
        content = host.read_file(f"{directory}/{name}")
        if content is None:
            continue
        values = parse_env(content.decode("utf-8", "replace"))
        secrets = [
            value
            for key, value in values.items()
            if _SECRET_KEY.search(key) and len(value) >= _SHORTEST_SECRET
        ]
        process_redactor().add(*secrets)
        return name, tuple(sorted(values))
    return None, ()


@fact("read host")
def read_host(run: Run, host: str) -> HostFacts:
    """Read everything a plan needs to know of one host.

    Running it twice is safe: it only reads.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The login was refused, the host key is another one, or the engine is down; or the manifest of
            what runs and writes is gone.
    """
    there, directory = run.hosts[host], run.directories[host]
    # Side by side over one connection: on a server far away each question costs several round trips.
    with ThreadPoolExecutor(4) as beside:
        manifest = beside.submit(copy_context().run, read_manifest, there, directory)
        containers = beside.submit(copy_context().run, read_containers, there, run.pipeline)
        schema = beside.submit(copy_context().run, read_schema, run, there) if host == run.primary else None
        data = beside.submit(copy_context().run, _read_data, run, host, manifest, containers)
        env_file, env_keys = read_env_keys(there, directory, run.policy.env_files)
        running, revision, size = schema.result() if schema is not None else (False, None, None)
        return HostFacts(
            host=host,
            manifest=manifest.result(),
            env_file=env_file,
            env_keys=env_keys,
            database_running=running,
            revision=revision,
            database_bytes=size,
            containers=containers.result(),
            data=data.result(),
        )


def _read_data(
    run: Run, host: str, manifest: Future[Manifest | None], containers: Future[tuple[ContainerFact, ...]]
) -> ReleaseData | None:
    found, known = manifest.result(), containers.result()
    if found is not None:
        return read_data(run, host, found, known)
    link = ("readlink", f"{run.directories[host]}/current")
    if writers(run, host, known) and run.hosts[host].run(Call(argv=link, limits=QUICK)).ok:
        raise no_manifest(run.directories[host], host)
    return None
