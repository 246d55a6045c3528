"""What a commit can learn of a host's env file by the way in which compose reads it there: nothing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from flows.domain.compose.reach import check_reach
from tasks.host.compose import ComposeProject, complaint
from tasks.host.scripts import run

SECRET = "hunter2-of-the-host"


def read(folder: Path, compose: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Have compose read a file as a host does, with its env file."""
    (folder / "compose.yaml").write_text(json.dumps(compose))
    (folder / "env").write_text(f"DB_PASSWORD={SECRET}\nONLY_THERE=1\n")
    project = ComposeProject(
        "app", str(folder), env_file=str(folder / "env"), files=(str(folder / "compose.yaml"),)
    )
    return subprocess.run(
        run("", "", "", project.argv("config", "--quiet")),
        # As it is by itself in later versions.
        env={**os.environ, "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "service",
    [
        {"mem_limit": "${DB_PASSWORD}"},
        {"ports": ["${DB_PASSWORD}:80"]},
        {"cpus": "${DB_PASSWORD}"},
        {"image": "${NOT_THERE:?required variable ${DB_PASSWORD} is missing a value}"},
    ],
)
def test_what_compose_refuses_does_not_tell_the_value(tmp_path: Path, service: dict[str, Any]) -> None:
    done = read(tmp_path, {"services": {"web": {"image": "app:1", **service}}})
    assert done.returncode != 0
    assert SECRET in done.stderr, "compose repeats it"
    assert SECRET not in complaint(done.stderr)


def test_the_variable_that_is_missing_is_told(tmp_path: Path) -> None:
    done = read(tmp_path, {"services": {"web": {"image": "app:${TAG:?say which}"}}})
    assert complaint(done.stderr) == "required variable TAG is missing a value"


@pytest.fixture
def strangers() -> Iterator[tuple[str, list[str]]]:
    """Give the address of a server somewhere, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815 - the base class calls it so

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_path_that_becomes_an_address_on_a_host_is_not_fetched(
    tmp_path: Path, strangers: tuple[str, list[str]]
) -> None:
    address, asked = strangers
    # With the commit's own example it is a file of the commit.
    compose = {"include": [f"${{ONLY_THERE:+oci://{address}/}}${{DB_PASSWORD}}"], "services": {}}
    texts = {"compose.yaml": json.dumps(compose), "base.yaml": "services: {}"}
    check_reach(("compose.yaml",), texts.get, texts, {"DB_PASSWORD": "base.yaml"})
    assert read(tmp_path, compose).returncode != 0
    assert asked == []
