"""What somebody who holds the API's login can make the worker do: Sluice's own flows, nothing else."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.settings import Settings
from deployments.control_plane.environment import JOB_TEMPLATE, POOL, POOL_TYPE
from deployments.control_plane.login import CLIENT, login_file
from deployments.doctor.access import access_checks
from deployments.doctor.findings import Finding, run_checks
from tests.deployments.conftest import Sluice
from tests.deployments.control_plane.running import OLD_TEMPLATE, Earlier, auth_of, sluice
from tests.lab.plane import LabPlane
from tests.lab.shell import wait_until

pytestmark = pytest.mark.timeout(1500)

TRIAL = "tests.deployments.control_plane.trial_flows.last"


@pytest.fixture
def operator(plane: LabPlane) -> Iterator[httpx.Client]:
    auth = auth_of(plane.login.text)
    with httpx.Client(base_url=plane.api.url, auth=auth, trust_env=False, timeout=60) as client:
        yield client


def made(client: httpx.Client, path: str, /, **body: object) -> dict[str, Any]:
    return dict(client.post(path, json=body).raise_for_status().json())


def lines_of(plane: LabPlane, run: str) -> str:
    """Return what an ended run said; its last lines arrive after its end."""
    plane.wait_for_state(run, timeout_seconds=600)
    _wait_for_line(plane, run, "lasting in")
    return "\n".join(plane.api.logs(run))


def test_an_earlier_servers_lack_of_a_login_is_told(plane: LabPlane, earlier: Earlier) -> None:
    assert earlier.refusal.code == 1
    assert earlier.refusal.err == (
        f"sluice: the server that runs at {plane.url} asks for no login: an earlier version started it — "
        "`sluice down`, then `sluice up`: waiting runs continue afterwards\n"
    )


def test_the_doctor_finds_every_door_of_an_earlier_server_open(earlier: Earlier) -> None:
    login, pages, names, pool = [one.what for one in earlier.doors if one.level == "fail"]
    assert "answers without a login" in login
    assert "lets every web page" in pages
    assert "answers to any host name" in names
    assert pool == "there is no work pool sluice-runs"


def test_a_run_that_waited_goes_on_after_the_upgrade(plane: LabPlane, earlier: Earlier) -> None:
    plane.wait_for_state(earlier.waiting, "COMPLETED", timeout_seconds=600)


def test_the_login_is_kept_for_its_owner_alone(plane: LabPlane, env: dict[str, str]) -> None:
    profiles = Path(env["HOME"]) / ".prefect" / "profiles.toml"
    for path in (login_file(plane.home), profiles):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = tomllib.loads(profiles.read_text())
    assert found["active"] == "mine"
    assert found["profiles"]["mine"] == {
        "PREFECT_API_URL": plane.api.url,
        "PREFECT_API_AUTH_STRING": login_file(plane.home).read_text().strip(),
    }


@pytest.fixture
def activated(plane: LabPlane, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let commands of this process know the server."""
    plane.activate()
    yield monkeypatch
    monkeypatch.undo()
    plane.deactivate()


@pytest.mark.parametrize("arguments", [("approver", "list"), ("approver", "add", "eve"), ("plan", "prod")])
def test_a_command_says_where_the_login_is(
    plane: LabPlane, here: Sluice, activated: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    activated.setenv(CLIENT, "admin:guess")
    mend = f" — set {CLIENT} to the server's; what `sluice up` made is in {login_file(plane.home)}\n"
    assert here(*arguments).err == f"sluice: Prefect's server at {plane.api.url} refuses the login{mend}"
    # Of a server that somebody else started nothing is known.
    activated.delenv(CLIENT)
    activated.setenv("SLUICE_HOME", str(plane.home / "other"))
    printed = here(*arguments)
    assert printed.code == 1
    assert printed.err.startswith(
        f"sluice: Prefect's server at {plane.api.url} asks for a login — set {CLIENT} "
    )


def test_a_new_shell_needs_nothing(plane: LabPlane, env: dict[str, str]) -> None:
    printed = sluice(env, "approver", "list")
    assert (printed.code, printed.err) == (0, "")


def doors() -> list[Finding]:
    """Return what the doctor finds about the API's doors."""
    return run_checks(access_checks(Settings()))


@pytest.mark.usefixtures("activated")
def test_the_doctor_finds_every_door_shut(plane: LabPlane, here: Sluice) -> None:
    assert [one.level for one in doors()] == ["ok"] * 5, doors()
    login_file(plane.home).chmod(0o640)
    try:
        (amiss,) = [one for one in doors() if one.level == "fail"]
        assert amiss.what == f"others on this machine can read or change {login_file(plane.home)}"
        assert f"`rm {login_file(plane.home)}`" in amiss.mend
        assert "note: others on this machine can read" in here("up").err
    finally:
        login_file(plane.home).chmod(0o600)


@pytest.mark.usefixtures("activated")
def test_the_pool_is_one_in_which_there_is_nothing_to_set(plane: LabPlane, operator: httpx.Client) -> None:
    pool = plane.api.work_pool(POOL)
    assert pool is not None
    assert (pool["type"], pool["base_job_template"]) == (POOL_TYPE, JOB_TEMPLATE)
    assert {one["work_pool_name"] for one in plane.api.deployments()} == {POOL}


def asked_for(trace: Path) -> dict[str, object]:
    """Return job variables that would show."""
    return {
        "command": f"touch {trace}",
        "env": {"SLIPPED_IN": "by env"},
        "env.SLIPPED_IN": "by a dotted name",
        "working_dir": str(trace.parent),
        "stream_output": False,
        "name": "{{ command }}",
    }


def test_a_run_chooses_no_command_environment_or_folder(
    plane: LabPlane, operator: httpx.Client, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    """Not even where the pool was edited to have all of it."""
    identifier = plane.api.deployment("last/trial")["id"]
    wanted = asked_for(trace)
    edited = {"base_job_template": {**OLD_TEMPLATE, "job_configuration": wanted}}
    operator.patch(f"/work_pools/{POOL}", json=edited).raise_for_status()
    asked = {"job_variables": wanted, "parameters": {"seconds": 0.0}}
    first = made(operator, f"/deployments/{identifier}/create_flow_run", **asked)["id"]
    said = [lines_of(plane, first)]
    operator.patch(f"/deployments/{identifier}", json={"job_variables": wanted}).raise_for_status()
    try:
        said.append(lines_of(plane, plane.run_deployment("last/trial")))
    finally:
        operator.patch(f"/deployments/{identifier}", json={"job_variables": {}}).raise_for_status()
        operator.patch(f"/work_pools/{POOL}", json={"base_job_template": JOB_TEMPLATE}).raise_for_status()
    for lines in said:
        assert "with None" in lines, lines
        assert f"lasting in {trace.parent} " not in lines
    assert not trace.exists()
    assert plane.api.run(first)["state_type"] == "COMPLETED"


def test_code_of_somebody_else_is_neither_fetched_nor_imported(
    plane: LabPlane, operator: httpx.Client, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    steps = [{"prefect.deployments.steps.run_shell_script": {"script": f"touch {trace}"}}]
    (tmp_path / "evil.py").write_text(f"open({str(trace)!r}, 'w')\n")
    attacks: dict[str, dict[str, object]] = {
        "has pull steps": {"entrypoint": TRIAL, "pull_steps": steps},
        "runs tests.deployments.control_plane.intruder.intruder": {
            "entrypoint": "tests.deployments.control_plane.intruder.intruder"
        },
        "runs evil.py:evil": {"entrypoint": "evil.py:evil", "path": str(tmp_path)},
    }
    flow = plane.api.deployment("last/trial")["flow_id"]
    runs = {}
    for number, (why, what) in enumerate(attacks.items()):
        known: dict[str, object] = {"name": f"evil-{number}", "flow_id": flow, "work_pool_name": POOL}
        made(operator, "/deployments/", **known, **what)
        runs[why] = plane.api.create_run(f"last/evil-{number}", {"seconds": 0.0})
    for why, run in runs.items():
        assert plane.wait_for_state(run, timeout_seconds=600)["state_type"] == "CRASHED"
        _wait_for_line(plane, run, why)
    assert not trace.exists()
    assert not (plane.home / "intruder-was-imported").exists()


def _wait_for_line(plane: LabPlane, run: str, text: str) -> None:
    wait_until(lambda: text in "\n".join(plane.api.logs(run)), f"a line with {text!r}", seconds=60)


def test_the_login_is_in_no_log(plane: LabPlane) -> None:
    logs = [path for path in (plane.home / "logs").iterdir() if path.is_file()]
    assert {"server.log", "worker.log", "setup.log"} <= {path.name for path in logs}
    assert [path for path in logs if plane.login.text in path.read_text()] == []
