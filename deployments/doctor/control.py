"""Checks of the control machine: ledger, Prefect, engine, git."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from blocks.settings import Settings
from deployments.control_plane.connect import known_api, ledger_url
from deployments.control_plane.environment import POOL, PREFECT_FILE
from deployments.control_plane.parts import online_workers
from deployments.control_plane.prefect_api import PrefectApi
from deployments.doctor.findings import Check, Finding, fail, ok, warn
from tasks.adapters.local import LocalRunner
from tasks.kernel.protocols import Call, Limits
from tasks.kernel.text import human_bytes
from tasks.ledger.models import HEAD
from tasks.ledger.store import Ledger
from tasks.targets.compose.preflight import OLDEST_COMPOSE, version_of

LEAST_FREE_BYTES = 2 * 1000**3

_LIMITS = Limits(total_seconds=20, idle_seconds=20)
_PROGRAMS = (
    (
        "engine",
        ("docker", "version", "--format", "{{.Server.Version}}"),
        "start the Docker engine here; it builds the images",
    ),
    ("compose", ("docker", "compose", "version", "--short"), "install Docker Compose 2.24"),
    ("buildx", ("docker", "buildx", "version"), "install docker-buildx"),
    ("git", ("git", "--version"), "install git"),
)


def control_checks(settings: Settings) -> list[Check]:
    """Return the checks of this machine that need no pipeline."""
    return [
        Check("ledger", partial(_ledger, settings)),
        Check("prefect", partial(_prefect, settings)),
        *(Check(name, partial(_program, name, argv, mend)) for name, argv, mend in _PROGRAMS),
        Check("disk", partial(_disk, settings.home)),
    ]


def _ledger(settings: Settings) -> Iterator[Finding]:
    with Ledger.open(ledger_url(settings)) as ledger:
        known = len(ledger.promotions.environments())
    yield ok("ledger", f"answers, at version {HEAD}; it knows {known} environments")


def _prefect(settings: Settings) -> Iterator[Finding]:
    api = known_api(settings)
    yield ok("prefect", f"the server at {api.url} answers")
    yield _deployed(api)
    yield _worker(api)


def expected_deployments() -> list[str]:
    """Return the names, `flow/deployment`, of every entry in `prefect.yaml`, sorted."""
    entries: list[dict[str, Any]] = yaml.safe_load(PREFECT_FILE.read_text())["deployments"]
    return sorted(f"{entry['entrypoint'].rpartition('.')[2]}/{entry['name']}" for entry in entries)


def _deployed(api: PrefectApi) -> Finding:
    there = {
        f"{str(one['entrypoint']).rpartition('.')[2]}/{one['name']}": one["work_pool_name"]
        for one in api.deployments()
    }
    missing = [name for name in expected_deployments() if name not in there]
    mend = "run `prefect deploy --all`, or `sluice up`"
    if missing:
        return fail("prefect", f"not deployed: {', '.join(missing)}", mend)
    moved = [name for name in expected_deployments() if there[name] != POOL]
    if moved:
        why = f"not in pool {POOL}, whose template alone leaves a run no command to choose"
        return fail("prefect", f"{why}: {', '.join(moved)}", mend)
    return ok("prefect", f"{len(expected_deployments())} deployments are there")


def _worker(api: PrefectApi) -> Finding:
    if api.workers(POOL) is None:
        return fail("prefect", f"there is no work pool {POOL}", "run `sluice up`")
    online = len(online_workers(api))
    if not online:
        return fail("prefect", f"no worker of pool {POOL} is online: runs would wait", "run `sluice up`")
    return ok("prefect", f"{online} of pool {POOL}'s workers online")


def _program(where: str, argv: tuple[str, ...], mend: str) -> list[Finding]:
    if shutil.which(argv[0]) is None:
        return [fail(where, f"{argv[0]} is not installed here", mend)]
    result = LocalRunner().run(Call(argv=argv, limits=_LIMITS))
    if not result.ok:
        why = " ".join(result.tail(2).split())[:200]
        return [fail(where, f"`{' '.join(argv[:2])}` failed: {why}", mend)]
    version = result.stdout.strip()
    if where == "compose" and version_of(version) < OLDEST_COMPOSE:
        return [fail(where, f"Docker Compose {version} is too old", "install 2.24 or newer")]
    return [ok(where, version)]


def _disk(home: Path) -> list[Finding]:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    said = f"{human_bytes(free)} free for {home}"
    if free < LEAST_FREE_BYTES:
        return [warn("disk", said, "free some space: checkouts and logs are kept there")]
    return [ok("disk", said)]
