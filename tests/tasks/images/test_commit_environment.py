"""What a commit says never becomes a setting of the programs that read it on the control machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tasks.kernel.protocols import Call
from tests.lab.engine import ensure_engine
from tests.lab.settings import Settings
from tests.tasks.commits import Commit, commit

MARKING = '#!/bin/sh\n: > "{marker}"\nexec /usr/bin/true\n'
DOCKERFILE = "FROM scratch\nCOPY Dockerfile /\n"
COMPOSE = "services: {web: {build: .}}\n"
# Each of these ran a program of the commit, or was read as a setting, on its own.
ALONE = {"DOCKER_CONFIG": "evil", "PATH": "evil/bin", "LD_PRELOAD": "evil/evil.so"}
TOGETHER = {
    "DOCKER_HOST": "tcp://127.0.0.1:9",
    "DOCKER_CONTEXT": "evil",
    "COMPOSE_FILE": "evil/compose.yaml",
    "COMPOSE_ENV_FILES": "evil/env",
    "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "true",
    "HOME": "evil",
    "BUILDX_CONFIG": "evil",
    "BUILDX_BAKE_GIT_SSH": "evil",
    "GIT_SSH_COMMAND": "evil/run",
    "GIT_EXEC_PATH": "evil/bin",
    "SSH_ASKPASS": "evil/run",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "SLUICE_BUILD_SECRET_0": "evil",
    "SOMETHING_ELSE": "evil",
}
# What the control plane has in its own environment, and no program that reads a commit.
OURS = {
    "PREFECT_API_URL": "http://127.0.0.1:4200/api",
    "PREFECT_API_AUTH_STRING": "evil:login",
    "SLUICE_HOME": "/evil/home",
    "GITHUB_TOKEN": "evil-token",
    "AWS_SECRET_ACCESS_KEY": "evil-key",
}
# Each is where some program looks for what it runs next.
PROGRAMS = (
    "evil/run",
    "evil/bin/docker",
    "evil/bin/git",
    "evil/cli-plugins/docker-compose",
    "evil/cli-plugins/docker-buildx",
    "evil/.docker/cli-plugins/docker-compose",
    "evil/.docker/cli-plugins/docker-buildx",
)


@pytest.fixture(scope="module", autouse=True)
def _engine() -> None:
    ensure_engine(Settings().engine_directory)


def hostile(folder: Path, example: str, **files: str) -> Commit:
    programs = dict.fromkeys(PROGRAMS, MARKING.format(marker=folder / "marker"))
    texts = {"compose.yaml": COMPOSE, "Dockerfile": DOCKERFILE, ".env.example": example, **files}
    return commit(folder, texts, programs=programs)


def observe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in front of the Docker client that notes its environment; return the note."""
    real, note = shutil.which("docker"), folder / "environment"
    (folder / "front").mkdir()
    program = folder / "front" / "docker"
    program.write_text(f'#!/bin/sh\nenv >> "{note}"\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'front'}:{os.environ['PATH']}")
    return note


def lines(variables: Mapping[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in variables.items())


@pytest.mark.parametrize(
    "variables", [*({key: value} for key, value in ALONE.items()), TOGETHER], ids=[*ALONE, "others"]
)
def test_a_key_of_the_example_is_no_setting_of_the_docker_client(
    variables: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in OURS.items():
        monkeypatch.setenv(key, value)
    note = observe(tmp_path, monkeypatch)
    strange = hostile(tmp_path, lines(variables), **{".env": lines(variables)})
    try:
        for image in strange.build(strange.read()):
            assert strange.run.local.run(Call(("docker", "rmi", image))).ok
    finally:
        assert not (tmp_path / "marker").exists(), "a program of the commit ran"
    told = note.read_text().splitlines()
    assert not [one for one in told if "evil" in one or ":9" in one or "4200" in one]
