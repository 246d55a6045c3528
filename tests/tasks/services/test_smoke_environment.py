"""What a smoke command of the commit finds on the control machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from blocks.pipeline import load_pipeline
from tasks.kernel.environment import CERTIFICATES
from tasks.services.checks import check_all
from tests.flows.domain.samples import release
from tests.samples.runs import run_of

PIPELINE = """
pipeline: shop
registry: main
smoke:
  - command: [sh, -c, 'env > "$0"; pwd >> "$0"; ls -A "$HOME" >> "$0"; touch "$HOME/x" || :', "{seen}", "{{address}}"]
environments:
  prod: {{hosts: [prod], branches: [main], address: "https://shop.example.com"}}
"""
# What a control plane has, and where; a proxy with a login is among it.
OURS = {
    "PREFECT_API_URL": "http://127.0.0.1:4200/api",
    "PREFECT_API_AUTH_STRING": "admin:hidden",
    "PREFECT_API_DATABASE_CONNECTION_URL": "postgresql+asyncpg://hidden@db/prefect",
    "PREFECT_HOME": "/hidden/prefect",
    "SLUICE_HOME": "/hidden/home",
    "SLUICE_LEDGER_URL": "sqlite:////hidden/ledger",
    "HOME": "/hidden",
    "TMPDIR_OF_OURS": "/hidden/tmp",
    "XDG_CONFIG_HOME": "/hidden/config",
    "DOCKER_HOST": "unix:///hidden/docker.sock",
    "DOCKER_CONFIG": "/hidden/docker",
    "SSH_AUTH_SOCK": "/hidden/agent",
    "GITHUB_TOKEN": "hidden",
    "HTTPS_PROXY": "http://me:hidden@proxy:3128",
}


def play(seen: Path, checkout: Path | None) -> Mapping[str, str]:
    """Run the check and return the variables it found."""
    pipeline = load_pipeline(PIPELINE.format(seen=seen), "pipeline.yaml")
    run = run_of(pipeline, hosts={"prod": cast("Any", None)}, directories={"prod": ""})
    check_all(run, host="prod", release=release(), checkout=checkout)
    lines = seen.read_text().splitlines()
    return {**dict(line.split("=", 1) for line in lines[:-1]), "pwd": lines[-1]}


@pytest.fixture(autouse=True)
def _ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/own.pem")


def test_a_smoke_command_finds_nothing_of_the_control_plane(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    found = play(tmp_path / "seen", checkout)
    assert "hidden" not in (tmp_path / "seen").read_text()
    assert "4200" not in (tmp_path / "seen").read_text()
    # A shell adds the last ones by itself.
    own = {"PATH", "LANG", "TZ", "HOME", "TMPDIR", "http_proxy", "pwd", "PWD", "OLDPWD", "SHLVL", "_"}
    assert set(found) <= own | CERTIFICATES
    assert found["PATH"] == os.environ["PATH"]
    assert found["SSL_CERT_FILE"] == "/etc/ssl/own.pem"
    assert found["http_proxy"] == "http://proxy:3128"
    assert found["pwd"] == str(checkout)
    # Its home was empty, and is gone.
    assert found["HOME"] == found["TMPDIR"]
    assert not Path(found["HOME"]).exists()


def test_without_a_checkout_it_stands_in_a_folder_of_its_own(tmp_path: Path) -> None:
    found = play(tmp_path / "seen", None)
    assert found["pwd"] == found["HOME"]
    assert found["pwd"] != str(Path.cwd())
