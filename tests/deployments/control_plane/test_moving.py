"""From the version with a pool of process workers to this one, with a run that waits for its answer meanwhile."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.control_plane.environment import EARLIER_POOL, POOL
from deployments.control_plane.known_flows import KNOWN_FLOWS
from tests.deployments.control_plane.running import ROOT, clean_environment, sluice
from tests.lab.plane import LabPlane
from tests.lab.ports import free_port
from tests.lab.prefect_database import lay_database
from tests.lab.shell import wait_until

pytestmark = pytest.mark.timeout(1500)

# The last one before the worker type.
EARLIER = "435c1864a069"
TRIAL = "tests.deployments.control_plane.trial_flows"


@pytest.fixture
def earlier_code(tmp_path: Path) -> Path:
    """The code of the earlier version."""
    folder = tmp_path / "earlier"
    parts = ("blocks", "tasks", "flows", "deployments", "prefect.yaml")
    packed = subprocess.run(("git", "archive", EARLIER, *parts), cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"the project's history is not here: {packed.stderr.decode().strip()}")
    folder.mkdir()
    subprocess.run(("tar", "-x", "-C", str(folder)), input=packed.stdout, check=True)
    return folder


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    # `sluice` run in this process by tests before this one leaves its log level, which hides the lines of runs.
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "SLUICE_"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    lay_database(home)
    env = clean_environment(home)
    yield env
    sluice(env, "down", "--wait", "0")


def deploy(plane: LabPlane, flow: str, entrypoint: str) -> None:
    """Make a deployment `trial` in the earlier pool."""
    client = plane.api._client
    made = client.post("/flows/", json={"name": flow}).raise_for_status().json()
    wanted = {
        "name": "trial",
        "flow_id": made["id"],
        "entrypoint": entrypoint,
        "work_pool_name": EARLIER_POOL,
    }
    client.post("/deployments/", json=wanted).raise_for_status()


def test_what_an_earlier_version_left_goes_on_in_the_new_pool(
    env: dict[str, str], earlier_code: Path
) -> None:
    home, port = Path(env["SLUICE_HOME"]), free_port()
    up = ("up", "--detach", "--no-profile", "--port", str(port), "--limit", "2")
    before = {**env, "PYTHONPATH": f"{earlier_code}:{ROOT}"}
    started = sluice(before, *up)
    assert started.code == 0, started
    plane = LabPlane(home, port, 2, inherited=env)
    pool = plane.api.work_pool(EARLIER_POOL)
    assert pool is not None
    assert pool["type"] == "process"
    assert plane.api.deployment("promote/prod")["entrypoint"] == "flows.promote.promote"
    for flow, entrypoint in (
        ("ask", f"{TRIAL}.ask"),
        ("promote", "flows.promote.promote"),
        ("gone", "flows.gone.gone"),
        ("another", "another.flow"),
    ):
        deploy(plane, flow, entrypoint)
    waiting = plane.run_deployment("ask/trial")
    plane.wait_for_state(waiting, "Suspended", timeout_seconds=600)
    assert sluice(before, "down", "--wait", "60").code == 0

    moved = sluice(env, *up)
    assert moved.code == 0, moved
    assert "deployment trial of flows.gone.gone in the earlier work pool: removed\n" in moved.out
    assert "deployment trial of another.flow in the earlier work pool: left\n" in moved.out
    pools = {one["entrypoint"]: one["work_pool_name"] for one in plane.api.deployments()}
    assert pools.pop("another.flow") == EARLIER_POOL
    assert set(pools.values()) == {POOL}
    assert {one for one in pools if one.startswith("flows.")} == KNOWN_FLOWS
    plane = LabPlane(home, port, 2, inherited=env)
    plane.answer(waiting, approver="grace", decision="approve", code="123456")
    plane.wait_for_state(waiting, "COMPLETED", timeout_seconds=600)
    wait_until(lambda: "grace said approve" in plane.api.logs(waiting), "the run's last lines", seconds=60)
    promotion = plane.run_deployment("promote/trial", {"environment": "prod"})
    message = plane.wait_for_state(promotion, timeout_seconds=600)["state"]["message"]
    assert "there is no block git-repository/default" in message

    # At a later start nobody needs the pool any more.
    plane.api._client.delete(f"/deployments/{plane.api.deployment('another/trial')['id']}")
    _leave(plane)
    assert plane.api.work_pool(EARLIER_POOL) is None


def _leave(plane: LabPlane) -> None:
    from prefect.client.orchestration import get_client

    from deployments.control_plane.earlier_pool import leave_earlier_pool

    async def leave() -> None:
        async with get_client() as client:
            await leave_earlier_pool(client)

    plane.activate()
    try:
        asyncio.run(leave())
    finally:
        plane.deactivate()
