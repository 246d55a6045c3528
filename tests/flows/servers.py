"""Servers in memory on which a small application runs, and a promotion to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from blocks.pipeline import load_pipeline
from blocks.values.facts import ContainerFact, HostFacts
from blocks.values.lifecycle import Status
from tasks.kernel.protocols import Call, Result
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.host import FakeHost
from tests.fakes.lease import FakeKeeper
from tests.flows.domain.rollback.test_offline import live, manifest
from tests.samples.runs import APP, run_of
from tests.tasks.ledger.samples import bring

OLD, NEW = manifest("aaaa", "m1"), manifest("bbbb", "m1", previous="aaaa", minute=1)
LIVE = (live("aaaa", 1), live("bbbb", 2))


def container(service: str) -> dict[str, Any]:
    return {
        "Id": service,
        "Config": {"Image": "i", "Labels": {"com.docker.compose.service": service}},
        "State": {"Status": "running", "Health": {"Status": "healthy"}},
    }


def server(name: str) -> FakeHost:
    """A server on which the newer release runs, and every release comes up."""
    host = FakeHost(name)
    host.files[f"{APP}/live.jsonl"] = b"".join(f"{one.to_json()}\n".encode() for one in LIVE)
    host.answer("sluice-containers", stdout=json.dumps([container("backend")]))
    host.answer("docker", "compose", "up")
    host.answer("sluice-remember", effect=lambda call: remembered(host, call))
    return host


def remembered(host: FakeHost, call: Call) -> None:
    host.files[f"{APP}/live.jsonl"] += call.stdin or b""


def only_for(host: FakeHost, release: str, result: Callable[[Call], Result | None]) -> None:
    """Let starting fail while one release is current."""

    def effect(call: Call) -> Result | None:
        return result(call) if host.links[f"{APP}/current"] == f"releases/{release}" else None

    host.answer("docker", "compose", "up", effect=effect)


def failing(call: Call) -> Result:
    return Result(call.argv, 1, "", "no such image", 0.1)


def stopped(host: FakeHost) -> None:
    """Have an engine that died leave the service down, until it is started."""
    down = json.dumps([container("backend") | {"State": {"Status": "exited", "ExitCode": 137}}])
    host.answer("sluice-containers", stdout=down, lasts=1)


def started(host: FakeHost) -> list[tuple[str, ...]]:
    return [argv for argv in host.argvs("docker", "compose", "up") if "--no-start" not in argv]


def current(hosts: list[FakeHost]) -> list[str]:
    return [host.links.get(f"{APP}/current", "untouched") for host in hosts]


PIPELINE = """
pipeline: shop
registry: main
environments:
  prod: {hosts: [web-1, web-2, web-3], branches: [main], backup: {service: db}, keep_releases: 3}
"""
RUNS = HostFacts(
    host="",
    manifest=OLD,
    env_file=None,
    containers=(
        ContainerFact(id="backend", service="backend", image="i", status="running", health="healthy"),
    ),
)


def make_run(
    ledger: Ledger, hosts: list[FakeHost], status: Status = Status.RUNNING, *, pipeline: str = PIPELINE
) -> Run:
    """Return the promotion of a release named `two`; what it has no fake of is None."""
    return run_of(
        load_pipeline(pipeline, "pipeline.yaml"),
        hosts={host.name: host for host in hosts},
        ledger=ledger,
        promotion_id=bring(ledger, "two", status).id,
        registry_prefix="registry.test",
        registry_login="",
        keeper=FakeKeeper(),
    )


def ended(run: Run, status: Status) -> str:
    """Return the line a promotion ended with; it must have ended so."""
    row = run.ledger.promotions.get(run.promotion_id)
    assert row is not None
    assert row.status is status, row.message
    return row.message
