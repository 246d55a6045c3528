"""Errors of commands: one line, an exit code, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.deployments.conftest import Sluice
from tests.lab.ports import free_port


def test_wrong_usage_is_2(sluice: Sluice) -> None:
    assert sluice("status", "--nonsense").code == 2
    assert sluice("no-such-command").code == 2


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "prod"),
        ("approver", "list"),
        ("approver", "add", "grace"),
        ("approver", "remove", "grace"),
    ],
)
def test_without_a_server_commands_say_how_to_get_one(sluice: Sluice, command: tuple[str, ...]) -> None:
    printed = sluice(*command)
    assert printed.code == 1
    assert printed.err == (
        "sluice: no Prefect server is known here — start one with `sluice up`, or set PREFECT_API_URL\n"
    )


def test_a_server_that_does_not_answer_is_named(sluice: Sluice, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    printed = sluice("plan", "prod")
    assert printed.code == 1
    assert printed.err.startswith(f"sluice: Prefect's server at {url} does not answer — start it")


def test_without_its_server_the_ledger_in_the_home_is_read_and_said_so(
    sluice: Sluice, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    refused = sluice("status")
    assert refused.code == 1
    assert "SLUICE_LEDGER_URL" in refused.err
    monkeypatch.delenv("PREFECT_API_URL")
    assert sluice("ledger", "upgrade").code == 0
    monkeypatch.setenv("PREFECT_API_URL", url)
    read = sluice("status")
    assert read.code == 0
    assert read.err.startswith("note: Prefect's server at")


def test_a_bad_ledger_url_is_one_line_without_its_password(
    sluice: Sluice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_LEDGER_URL", "oracle://me:hunter2@host/db")
    printed = sluice("status")
    assert printed.code == 1
    assert len(printed.err.splitlines()) == 1
    assert "hunter2" not in printed.err


def test_the_traceback_shows_when_asked_for(sluice: Sluice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LEDGER_URL", "oracle://host/db")
    assert "Traceback" not in sluice("status").err
    monkeypatch.setenv("SLUICE_DEBUG", "1")
    assert "Traceback" in sluice("status").err


def test_a_reader_that_goes_away_is_no_error(home: Path) -> None:
    argv = [sys.executable, "-m", "deployments.cli.main", "schema"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_starting_a_command_does_not_import_prefect(home: Path) -> None:
    code = "import sys; from deployments.cli.main import run; run(['status']); sys.exit('prefect' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_checked_out_branch_gives_prefect_no_settings(home: Path, tmp_path: Path) -> None:
    branch, note = tmp_path / "branch", tmp_path / "ran"
    branch.mkdir()
    handler = {"()": "os.system", "command": f"touch {note}"}
    (branch / "logging.yml").write_text(json.dumps({"version": 1, "handlers": {"one": handler}}))
    (branch / ".env").write_text(f"PREFECT_LOGGING_CONFIG_PATH={branch}/logging.yml\n")
    program = Path(sysconfig.get_path("scripts")) / "sluice"
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "SLUICE_HOME": "../home"}
    done = subprocess.run(
        (program, "protect"), cwd=branch, env=env, check=False, capture_output=True, text=True
    )
    assert "no Prefect server is known here" in done.stderr
    assert not note.exists()
