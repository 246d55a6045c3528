"""What is true on a host now. Nothing here changes anything."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

from blocks.values.facts import HostFacts, Readiness
from tasks.host.env_file import parse_env
from tasks.host.host_facts import READINESS, parse_readiness
from tasks.host.read import QUICK, no_manifest
from tasks.host.scripts import script
from tasks.kernel.protocols import Call
from tasks.kernel.redact import process_redactor
from tasks.release_data.carry import writers
from tasks.release_data.read import read_data

if TYPE_CHECKING:
    from concurrent.futures import Future

    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from blocks.values.release_data import ReleaseData
    from tasks.host.app_host import AppHost
    from tasks.kernel.protocols import Host

_SECRET_KEY = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|DSN|_URL$|^URL$", re.IGNORECASE)
_SHORTEST_SECRET = 4


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


def read_facts(app: AppHost) -> HostFacts:
    """Read what a plan needs to know of a host, but of its database.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The login was refused, the host key is another one, or the engine is down; or the manifest of
            what runs and writes is gone.
    """
    # Side by side over one connection: on a server far away each question costs several round trips.
    with ThreadPoolExecutor(3) as beside:
        manifest = beside.submit(copy_context().run, app.manifest)
        containers = beside.submit(copy_context().run, app.containers)
        data = beside.submit(copy_context().run, _read_data, app, manifest, containers)
        env_file, env_keys = read_env_keys(app.host, app.directory, app.policy.env_files)
        return HostFacts(
            host=app.name,
            manifest=manifest.result(),
            env_file=env_file,
            env_keys=env_keys,
            containers=containers.result(),
            data=data.result(),
        )


def _read_data(
    app: AppHost, manifest: Future[Manifest | None], containers: Future[tuple[ContainerFact, ...]]
) -> ReleaseData | None:
    found, known = manifest.result(), containers.result()
    if found is not None:
        return read_data(app, found, known)
    if writers(app, known) and app.ask(("readlink", f"{app.directory}/current")).ok:
        raise no_manifest(app.directory, app.name)
    return None
