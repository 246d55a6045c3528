"""`sluice up` on a terminal: until Ctrl-C, and what happens when a part dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.control_plane import processes
from deployments.control_plane.environment import HOST, process_file
from tests.deployments.control_plane.running import clean_environment, sluice
from tests.lab.ports import free_port

pytestmark = pytest.mark.timeout(1500)


def started(env: dict[str, str], port: int) -> subprocess.Popen[str]:
    """Start `sluice up` as a background command of a shell would: SIGINT is ignored at first."""
    argv = [sys.executable, "-P", "-m", "deployments.cli.main", "up", "--port", str(port), "--no-profile"]
    shell = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *argv]
    return subprocess.Popen(shell, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(process: subprocess.Popen[str], text: str) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    assert process.stderr is not None
    raise AssertionError(f"ended before {text!r}: {''.join(lines)} {process.stderr.read()}")


def test_up_until_ctrl_c_then_until_the_server_dies(tmp_path: Path) -> None:
    env, port = clean_environment(tmp_path), free_port()
    first = started(env, port)
    said = "".join(until(first, "Ctrl-C ends it"))
    assert f"server at http://127.0.0.1:{port}" in said
    parts = [processes.load(process_file(tmp_path, name)) for name in ("server", "worker")]
    assert all(parts)
    assert oct((tmp_path / "prefect").stat().st_mode & 0o077) == "0o0"
    os.kill(first.pid, signal.SIGINT)
    out, err = first.communicate(timeout=300)
    assert (first.returncode, err) == (0, "")
    assert out.endswith("worker and server have ended\n")
    assert not any(part.alive() for part in parts if part)

    second = started(env, port)
    until(second, "Ctrl-C ends it")
    server = processes.load(process_file(tmp_path, "server"))
    worker = processes.load(process_file(tmp_path, "worker"))
    assert server is not None
    assert worker is not None
    os.kill(server.pid, signal.SIGKILL)
    _, err = second.communicate(timeout=300)
    assert second.returncode == 1
    assert err.startswith("sluice: the server ended unexpectedly — see ")
    assert not worker.alive()


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        printed = sluice(clean_environment(tmp_path), "up", "--port", str(port))
    assert printed.code == 1
    assert printed.err == f"sluice: port {port} is taken by another program — choose another with --port\n"
    assert not (tmp_path / "prefect").exists()
