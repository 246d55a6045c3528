"""A control plane that `sluice up` started, in place of one of an earlier version, for all tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blocks.settings import Settings
from deployments.control_plane import processes
from deployments.control_plane.environment import (
    EARLIER_POOL,
    HOST,
    control_plane_environment,
    log_file,
    process_file,
)
from deployments.control_plane.parts import wait_for_server
from deployments.control_plane.prefect_api import PrefectApi
from deployments.doctor.access import access_checks
from deployments.doctor.findings import Finding, run_checks
from tests.lab.plane import LabPlane
from tests.lab.ports import free_port
from tests.lab.prefect_database import lay_database

ROOT = Path(__file__).parents[3]
FOREIGN = (
    "PREFECT_API_URL",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
    "PREFECT_HOME",
    "SLUICE_LEDGER_URL",
    "SLUICE_PREFECT_UI_URL",
    "SLUICE_DEBUG",
)
OWN_FLOWS = ",".join(f"tests.deployments.control_plane.trial_flows.{name}" for name in ("ask", "last"))
# What Prefect makes of its variables, and what the earlier version's pool and deployments had.
OLD_TEMPLATE = {
    "job_configuration": {
        "command": "{{ command }}",
        "env": "{{ env }}",
        "working_dir": "{{ working_dir }}",
        "stream_output": "{{ stream_output }}",
    },
    "variables": {
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "env": {"type": "object"},
            "working_dir": {"type": "string"},
            "stream_output": {"type": "boolean", "default": True},
        },
    },
}


@dataclass(frozen=True)
class Printed:
    """What a command did.

    Attributes:
        code: Its exit code.
        out: Its standard output.
        err: Its standard error.
    """

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment in which runs can import this package, and nothing is known of another server."""
    env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    own = {"SLUICE_HOME": str(home), "HOME": str(home), "PYTHONPATH": str(ROOT)}
    return {**env, **own, "SLUICE_FURTHER_FLOWS": OWN_FLOWS}


def command(env: Mapping[str, str], *argv: str) -> Printed:
    done = subprocess.run(
        argv, env=env, capture_output=True, text=True, timeout=900, check=False, cwd=env["HOME"]
    )
    return Printed(done.returncode, done.stdout, done.stderr)


def sluice(env: Mapping[str, str], *arguments: str) -> Printed:
    return command(env, sys.executable, "-P", "-m", "deployments.cli.main", *arguments)


def auth_of(login: str) -> tuple[str, str]:
    user, _, password = login.partition(":")
    return user, password


@dataclass(frozen=True)
class Earlier:
    """What an earlier version left.

    Attributes:
        refusal: What `sluice up` says to its server, which asks for no login.
        waiting: A run that waits for a worker.
        doors: What the doctor finds about the doors of its server.
    """

    refusal: Printed
    waiting: str
    doors: list[Finding]


@pytest.fixture(scope="package")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    lay_database(home)
    return clean_environment(home)


@pytest.fixture(scope="package")
def port() -> int:
    return free_port()


@pytest.fixture(scope="package")
def earlier(env: dict[str, str], port: int) -> Earlier:
    """Play the earlier version: its server, pool, deployments, a run, and the address in the profile."""
    home = Path(env["HOME"])
    profiles = home / ".prefect" / "profiles.toml"
    profiles.parent.mkdir()
    profiles.write_text(f'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://{HOST}:{port}/api"\n')
    # Of whose pages may read it, Prefect's default.
    old = control_plane_environment(home, port, {**env, "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "*"})
    argv = processes.python("-m", "prefect", "server", "start", "--host", HOST, "--port", str(port))
    server = processes.start("the old server", argv, env=old, cwd=home, log=log_file(home, "server"))
    server.save(process_file(home, "server"))
    wait_for_server(server, port)
    api = PrefectApi(old["PREFECT_API_URL"], login="")
    # Its transactions are refused where they meet, so each is tried again.
    api._send(
        "POST", "/work_pools/", {"name": EARLIER_POOL, "type": "process", "base_job_template": OLD_TEMPLATE}
    )
    for name, parameters in (("ask", {}), ("last", {"seconds": 0.0})):
        flow = api._send("POST", "/flows/", {"name": name}).raise_for_status().json()["id"]
        deployment = {
            "name": "trial",
            "flow_id": flow,
            "entrypoint": f"tests.deployments.control_plane.trial_flows.{name}",
            "work_pool_name": EARLIER_POOL,
            "job_variables": {"command": "python -m deployments.control_plane.engine"},
            "parameters": parameters,
        }
        api._send("POST", "/deployments/", deployment).raise_for_status()
    waiting = api.create_run("last/trial", {"seconds": 0.0})
    refusal = sluice(env, "up", "--detach")
    doors = run_checks(access_checks(Settings(home=home)))
    ended = sluice(env, "down", "--wait", "0")
    assert ended.code == 0, ended
    return Earlier(refusal, waiting, doors)


@pytest.fixture(scope="package")
def plane(env: dict[str, str], port: int, earlier: Earlier) -> Iterator[LabPlane]:
    """What `sluice up --detach` started: the real flows beside those the earlier version left."""
    del earlier
    home = Path(env["HOME"])
    printed = sluice(env, "up", "--detach", "--port", str(port), "--limit", "2")
    try:
        assert printed.code == 0, printed
        assert f"your Prefect profile mine knows address and login ({home}/.prefect" in printed.out
        assert (
            f"its login     {home}/api-login (paste the whole line at http://{HOST}:{port}/login)\n"
            in printed.out
        )
        yield LabPlane(home, port, 2, inherited=env)
    finally:
        ended = sluice(env, "down", "--wait", "0")
        assert ended.code == 0, ended
        assert processes.load(process_file(home, "server")) is None
        assert sluice(env, "down").out == f"nothing runs in {home}\n"
