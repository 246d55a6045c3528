"""Which server and which ledger a command works with."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from blocks.settings import Settings
from deployments.control_plane import processes
from deployments.control_plane.connect import active_profile, find_api_url, ledger_url, ui_url
from deployments.control_plane.environment import process_file
from tests.lab.shell import wait_until


@pytest.fixture
def profile(home: Path) -> Path:
    """A Prefect profile of the user's."""
    file = Path(os.environ["PREFECT_HOME"]) / "profiles.toml"
    file.parent.mkdir()
    file.write_text(
        'active = "work"\n[profiles.work]\nPREFECT_API_URL = "http://profile/api"\n[profiles.bare]\n'
    )
    return file


def test_nothing_is_known_at_first(home: Path) -> None:
    assert find_api_url(Settings()) is None
    assert ui_url(Settings()) == "http://127.0.0.1:4200"
    assert ledger_url(Settings()) == f"sqlite:///{home}/ledger.db"


def test_the_environment_counts_before_the_own_server_and_that_before_the_profile(
    home: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_api_url(Settings()) == "http://profile/api"
    env = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:4300/api"}
    server = processes.start("it", ["sleep", "600"], env=env, cwd=home, log=home / "log")
    server.save(process_file(home, "server"))
    try:
        # The kernel shows a process's environment a moment after it began.
        wait_until(
            lambda: server.variable("PREFECT_API_URL") is not None, "the process's environment", seconds=30
        )
        assert find_api_url(Settings()) == "http://127.0.0.1:4300/api"
        assert ui_url(Settings()) == "http://127.0.0.1:4300"
        monkeypatch.setenv("PREFECT_API_URL", "http://given/api")
        assert find_api_url(Settings()) == "http://given/api"
        monkeypatch.setenv("SLUICE_PREFECT_UI_URL", "https://prefect.example.org")
        assert ui_url(Settings()) == "https://prefect.example.org"
    finally:
        server.stop(first=signal.SIGTERM, grace_seconds=30)
    monkeypatch.delenv("PREFECT_API_URL")
    assert find_api_url(Settings()) == "http://profile/api"


def test_the_profile_in_use_counts(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_PROFILE", "bare")
    assert active_profile().url is None
    monkeypatch.setenv("PREFECT_PROFILE", "gone")
    assert active_profile().url is None
    monkeypatch.delenv("PREFECT_PROFILE")
    profile.write_text("active = [")
    assert active_profile().url is None


def test_a_ledger_that_is_named_needs_no_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("SLUICE_LEDGER_URL", "postgresql://me@db/sluice")
    assert ledger_url(Settings()) == "postgresql://me@db/sluice"
