"""What the tests of commands share: a home of their own, its real ledger, and running a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.cli.main import run
from tasks.ledger.store import Ledger
from tests.deployments.control_plane.running import Printed, earlier, env, plane, port

__all__ = ["Printed", "earlier", "env", "plane", "port"]

Sluice = Callable[..., Printed]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own; no server is known."""
    folder = tmp_path / "home"
    for name in ("PREFECT_API_URL", "SLUICE_LEDGER_URL", "SLUICE_PREFECT_UI_URL", "SLUICE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLUICE_HOME", str(folder))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    return folder


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    """The home's own ledger, on SQLite."""
    with Ledger.open(f"sqlite:///{home / 'ledger.db'}") as opened:
        yield opened


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Sluice:
    """Run a command as the console script does, in this process, which knows all of Prefect already."""

    def command(*arguments: str) -> Printed:
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Printed(code, captured.out, captured.err)

    return command


@pytest.fixture
def sluice(home: Path, here: Sluice) -> Sluice:
    """Run a command in the home of the test's own."""
    return here
