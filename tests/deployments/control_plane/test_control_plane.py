"""`sluice up --detach`, everything that needs a running server, and `sluice down`; all of it for real."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from pydantic import SecretStr

from blocks.git_repository import GitRepository
from blocks.ledger_database import LedgerDatabase
from deployments.control_plane import processes
from deployments.control_plane.environment import POOL, process_file
from deployments.control_plane.parts import online_workers
from tasks.kernel.errors import TerminalError
from tasks.ledger.connect import open_ledger
from tests.deployments.conftest import Sluice
from tests.deployments.control_plane.running import auth_of, clean_environment, command, sluice
from tests.deployments.webhook.sender import BLOCK, body_of, headers
from tests.deployments.webhook.shop import TRIGGERS
from tests.lab.plane import LabPlane
from tests.lab.ports import free_port
from tests.lab.repository import Repository
from tests.lab.shell import wait_until

pytestmark = pytest.mark.timeout(1500)


def test_every_entry_of_prefect_yaml_is_deployed(plane: LabPlane) -> None:
    flows = {
        f"{str(one['entrypoint']).rpartition('.')[2]}/{one['name']}": one for one in plane.api.deployments()
    }
    environments = ("feature", "staging", "prod")
    wanted = {f"{flow}/{name}" for flow in ("promote", "rollback") for name in environments} | {
        "redeploy/staging"
    }
    assert wanted <= set(flows)
    assert flows["promote/prod"]["entrypoint"] == "flows.promotion.flow.promote"
    assert flows["promote/prod"]["pull_steps"] == []
    assert flows["redeploy/staging"]["schedules"][0]["schedule"]["cron"] == "30 3 * * *"
    assert flows["promote/feature"]["global_concurrency_limit"]["limit"] == 3
    assert flows["redeploy/staging"]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"


def test_the_nightly_redeploy_is_scheduled(plane: LabPlane) -> None:
    """Prefect's scheduler really fills in the next nights, which it cannot with every SQLAlchemy it says it takes."""
    deployment = plane.api.deployment("redeploy/staging")["id"]
    wanted = {
        "flow_runs": {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
    }

    def nights() -> list[dict[str, object]]:
        answer = httpx.post(
            f"{plane.url}/api/flow_runs/filter",
            json=wanted,
            timeout=60,
            trust_env=False,
            auth=auth_of(plane.login.text),
        )
        return list(answer.raise_for_status().json())

    wait_until(lambda: bool(nights()), "the scheduled nights", seconds=300, every_seconds=1)
    assert all("T03:30" in str(night["expected_start_time"]) for night in nights())


def test_prefect_in_another_shell_finds_the_rollback(plane: LabPlane, env: dict[str, str]) -> None:
    """Without any variable set: the profile that `sluice up` wrote is enough."""
    prefect = str(Path(sys.executable).parent / "prefect")
    shell = {name: value for name, value in env.items() if not name.startswith(("SLUICE_", "PYTHONPATH"))}
    printed = command(shell, prefect, "deployment", "run", "rollback/prod", "--watch")
    created = re.search(r"UUID: ([0-9a-f-]{36})", printed.out)
    assert created is not None, printed
    # Nothing is configured yet, and that is what the run says.
    assert "there is no block git-repository/default" in plane.api.run(created[1])["state"]["message"]
    assert printed.code == 1


def test_a_second_up_says_so(plane: LabPlane, env: dict[str, str]) -> None:
    printed = sluice(env, "up", "--port", str(free_port()))
    assert (printed.code, printed.out) == (0, f"already running: {plane.url} — `sluice down` ends it\n")


def test_anothers_server_on_the_port_is_one_line(plane: LabPlane, tmp_path: Path) -> None:
    printed = sluice(clean_environment(tmp_path), "up", "--port", str(plane.port))
    assert printed.code == 1
    assert printed.err.startswith(f"sluice: another Prefect server answers at {plane.url} — ")
    assert len(printed.err.splitlines()) == 1


@pytest.fixture
def activated(plane: LabPlane) -> Iterator[None]:
    """Let commands of this process know the server."""
    plane.activate()
    yield
    plane.deactivate()


@pytest.mark.usefixtures("activated")
def test_approvers_are_enrolled_listed_and_removed(plane: LabPlane, here: Sluice) -> None:
    added = here("approver", "add", "grace", "--person", "Grace Hopper", "--identity", "grace@example.org")
    assert added.code == 0, added
    document = plane.api.block_document("approver", "grace")
    assert document is not None
    secret = document["data"]["totp_secret"]
    assert f"secret {secret}" in added.out
    assert pyotp.parse_uri(added.out.splitlines()[1].strip()).secret == secret
    assert here("approver", "add", "grace").err == (
        "sluice: there is an approver grace already — use --force to give them a new secret; the old one "
        "stops working\n"
    )
    forced = here("approver", "add", "grace", "--force", "--json").json
    assert forced["secret"] != secret
    (listed,) = here("approver", "list", "--json").json
    assert listed == {
        "name": "grace",
        "person": "Grace Hopper",
        "identities": ["grace@example.org"],
        "active": True,
    }
    assert forced["secret"] not in here("approver", "list").out
    assert here("approver", "remove", "grace").code == 0
    assert here("approver", "remove", "grace").err == (
        "sluice: there is no approver grace — see `sluice approver list`\n"
    )
    assert here("approver", "add", "Grace!").code == 2


@pytest.mark.usefixtures("activated")
def test_the_doctor_sees_server_worker_and_what_is_missing(here: Sluice) -> None:
    printed = here("doctor", "--json")
    assert printed.code == 1, printed
    found = {(one["where"], one["level"]): one for one in printed.json}
    assert "deployments are there" in json.dumps(printed.json)
    assert "1 of pool sluice-runs's workers online" in json.dumps(printed.json)
    assert found["ledger", "ok"]["what"].startswith("answers, at version")
    assert found["repository", "fail"]["what"] == "there is no block git-repository/default"


@pytest.mark.usefixtures("activated")
def test_plan_without_a_repository_is_one_line(here: Sluice) -> None:
    printed = here("plan", "prod")
    assert printed.code == 1
    assert printed.out == ""
    assert printed.err.startswith("sluice: there is no block git-repository/default — ")
    assert len(printed.err.splitlines()) == 1


@pytest.mark.usefixtures("activated")
def test_the_ledger_of_the_block_is_used(plane: LabPlane, here: Sluice, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    LedgerDatabase(url=SecretStr(url)).save("ledger", overwrite=True)
    try:
        assert here("ledger", "upgrade", "--json").json["url"] == url
        assert (tmp_path / "other.db").exists()
        with open_ledger() as opened:
            assert str(opened._database.url) == url
    finally:
        plane.api.delete_block("ledger-database", "ledger")


def test_a_waiting_run_takes_its_answer_after_a_restart_of_everything(plane: LabPlane) -> None:
    run = plane.run_deployment("ask/trial")
    plane.wait_for_state(run, "Suspended", timeout_seconds=600)
    assert plane.api.waits_until(run) is not None
    wait_until(lambda: plane.runs() == (), "the end of the suspended run's process", seconds=60)
    plane.restart_server()
    plane.restart_worker()
    with pytest.raises(TerminalError, match="did not take the answer"):
        plane.api.resume(run, {"approver": "grace"})
    plane.answer(run, approver="grace", decision="approve", code="123456")
    plane.wait_for_state(run, "COMPLETED", timeout_seconds=600)
    # A run's last lines arrive after its end.
    wait_until(lambda: "grace said approve" in plane.api.logs(run), "the run's last lines", seconds=60)


def test_an_answer_at_once_does_not_end_the_worker(plane: LabPlane) -> None:
    """The process that suspended may still be there when its run is due again."""
    run = plane.run_deployment("ask/trial")
    plane.wait_for_state(run, "Suspended", timeout_seconds=600)
    plane.answer(run, approver="grace", decision="approve", code="123456")
    plane.wait_for_state(run, "COMPLETED", timeout_seconds=600)
    assert "already holding" not in (plane.home / "logs" / "worker.log").read_text()


def test_a_run_that_is_cut_is_crashed_and_can_be_retried(plane: LabPlane) -> None:
    run = plane.run_deployment("last/trial", {"seconds": 600.0})
    plane.wait_for_state(run, "RUNNING", timeout_seconds=600)
    # The process of the run before may still be ending.
    wait_until(lambda: plane.runs() == (run,), "the one run the worker carries", seconds=60)
    assert plane.stop_worker(seconds=0) == (run,)
    assert plane.api.run(run)["state_type"] == "CRASHED"
    assert online_workers(plane.api) is not None
    plane.start_worker()
    plane.api.retry(run)
    plane.wait_for_state(run, "RUNNING", timeout_seconds=600)
    assert plane.api.run(run)["run_count"] == 2
    plane.stop_worker(seconds=0)
    plane.start_worker()


def test_a_cancelled_run_gives_its_place_to_one_that_waits(plane: LabPlane) -> None:
    """The worker has two places; what finds none stays with the server."""
    runs = [plane.run_deployment("last/trial", {"seconds": 600.0}) for _ in range(3)]
    wait_until(
        lambda: set(plane.runs()) <= set(runs) and len(plane.runs()) == 2, "two processes", seconds=120
    )
    (waits,) = set(runs) - set(plane.runs())
    first = plane.runs()[0]
    plane.wait_for_state(first, "RUNNING", timeout_seconds=600)
    assert plane.api.run(waits)["state_type"] == "SCHEDULED"
    cancel(plane, first)
    # Told to end, its process takes that for a crash at first.
    wait_until(lambda: plane.api.run(first)["state_type"] == "CANCELLED", "the cancelled run", seconds=120)
    plane.wait_for_state(waits, "RUNNING", timeout_seconds=120)
    assert first not in plane.runs()
    cut = plane.stop_worker(seconds=0)
    assert set(cut) == set(runs) - {first}
    plane.start_worker()


def cancel(plane: LabPlane, run: str) -> None:
    """Cancel a run as the UI does."""
    state = {"state": {"type": "CANCELLING"}}
    plane.api._client.post(f"/flow_runs/{run}/set_state", json=state).raise_for_status()


def test_a_run_that_ends_in_time_is_waited_for(plane: LabPlane) -> None:
    run = plane.run_deployment("last/trial", {"seconds": 3.0})
    plane.wait_for_state(run, "RUNNING", timeout_seconds=600)
    assert plane.stop_worker(seconds=300) == ()
    assert plane.api.run(run)["state_type"] == "COMPLETED"
    plane.start_worker()


def test_this_process_can_talk_to_it_and_be_itself_again(plane: LabPlane) -> None:
    from prefect.settings import get_current_settings

    before = dict(os.environ)
    plane.activate()
    try:
        assert get_current_settings().api.url == plane.api.url
        assert os.environ["SLUICE_HOME"] == str(plane.home)
    finally:
        plane.deactivate()
    assert dict(os.environ) == before
    assert get_current_settings().api.url != plane.api.url


def test_the_pool_has_one_worker_after_all(plane: LabPlane) -> None:
    assert plane.api.workers(POOL) is not None
    assert plane.worker is not None
    assert plane.worker.alive()


def test_the_receiver_starts_once_its_block_is_saved(
    plane: LabPlane, env: dict[str, str], tmp_path: Path
) -> None:
    """From a signed request to a run that the worker takes, and through the receiver's death."""
    shop = Repository.with_pipeline(tmp_path / "shop", TRIGGERS)
    plane.activate()
    BLOCK.save("default")
    GitRepository(url=str(shop.path)).save("default")
    plane.deactivate()
    port, home = free_port(), Path(env["HOME"])
    configured = {**env, "SLUICE_WEBHOOK_PORT": str(port)}
    printed = sluice(configured, "up")
    address = f"http://127.0.0.1:{port}/webhooks/github"
    assert printed.out.splitlines()[0] == f"  webhooks at {address}", printed
    receiver = processes.load(process_file(home, "receiver"))
    assert receiver is not None

    sha = shop.commit()
    body = body_of("push_branch", after=sha, head_commit={"id": sha})
    sent = headers(body, delivery="4a1f0c1e-0000-4000-8000-000000000001")
    assert httpx.post(address, content=body, headers=sent, trust_env=False).status_code == 202
    receiver.send(signal.SIGKILL)
    assert receiver.wait(30)
    assert sluice(configured, "up").code == 0
    assert httpx.post(address, content=body, headers=sent, trust_env=False).status_code == 200

    def row() -> dict[str, Any]:
        return dict(json.loads(sluice(env, "deliveries", "--json").out)[0])

    wait_until(lambda: row()["status"] == "started", "the runs", seconds=120, every_seconds=1)
    assert [one["deployment"] for one in row()["starts"]] == ["promote/feature", "promote/staging"]
    run = plane.api.wait_for_state(row()["starts"][1]["flow_run_id"], None, 300)
    assert f"delivery:{sent['X-GitHub-Delivery']}" in run["tags"]
    assert run["parameters"]["ref"] == sha
    health = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    assert health.json() == {"answer": "ok"}
