"""Programs on the control machine inherit a short list, and what they are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.adapters.local import LocalRunner
from tasks.git.mirror import GitMirror
from tasks.kernel.environment import INHERITED, child_environment, reading_environment, smoke_environment
from tasks.kernel.errors import SluiceError
from tasks.kernel.protocols import Call

OURS = {
    "PREFECT_API_URL": "hidden",
    "SLUICE_HOME": "hidden",
    "GITHUB_TOKEN": "hidden",
    "LD_PRELOAD": "hidden",
    "GIT_SSH_COMMAND": "hidden",
    "GIT_DIR": "hidden",
    "PYTHONPATH": "hidden",
}
KEPT = {
    "PATH": "/usr/bin",
    "HOME": "/home/deploy",
    "DOCKER_HOST": "unix:///run/user/1/docker.sock",
    "HTTPS_PROXY": "http://me:pw@proxy",
    "NO_PROXY": "localhost",
    "SSL_CERT_FILE": "/etc/ssl/own.pem",
}


def test_only_what_is_listed_is_inherited() -> None:
    assert child_environment({**OURS, **KEPT}) == KEPT
    assert not [name for name in INHERITED if name.startswith(("PREFECT", "SLUICE", "LD_", "PYTHON"))]


def test_a_program_inherits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OURS.items():
        if name != "LD_PRELOAD":
            monkeypatch.setenv(name, value)
    said = LocalRunner().run(Call(("env",), env={"GIVEN": "1"})).stdout
    assert "hidden" not in said
    assert "GIVEN=1" in said
    assert "PATH=" in said
    assert LocalRunner().run(Call(("/usr/bin/env",), env={"ALONE": "1"}, alone=True)).stdout == "ALONE=1\n"


def test_git_inherits_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, note = tmp_path / "git", tmp_path / "note"
    program.write_text(f'#!/bin/sh\nenv >> "{note}"\nexit 1\n')
    program.chmod(0o755)
    for name in OURS:
        if name != "LD_PRELOAD":
            monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SluiceError):
        GitMirror("https://git.example.com/x.git", tmp_path / "mirror.git").fetch()
    assert "hidden" not in note.read_text()
    assert "GIT_TERMINAL_PROMPT=0" in note.read_text()


def test_compose_reads_a_commit_with_less(tmp_path: Path) -> None:
    found = reading_environment({**OURS, **KEPT, "PWD": "hidden"}, "/checkout")
    assert found["PWD"] == "/checkout"
    assert found["DOCKER_CONFIG"] == "/home/deploy/.docker"
    assert not {"DOCKER_HOST", "HTTPS_PROXY", *OURS} & set(found)
    assert reading_environment({"DOCKER_CONFIG": "/own"}, "")["DOCKER_CONFIG"] == "/own"
    assert "HTTPS_PROXY" not in smoke_environment(KEPT, str(tmp_path))
