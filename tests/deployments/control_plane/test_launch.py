"""Whether a worker that gave up is started again, without starting one."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.control_plane import launch
from deployments.control_plane.environment import process_file
from deployments.control_plane.fast_exit import code_of

Ends = Callable[[object], list[str]]


class StartedAgainError(Exception):
    """Stands for becoming another program."""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The file that says the worker should run."""
    path = process_file(tmp_path, "worker")
    path.parent.mkdir()
    path.write_text("{}")
    return path


@pytest.fixture
def ends(tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    """Play a worker that ends with a code."""
    seen: list[str] = []

    def become(program: str, argv: list[str]) -> None:
        assert (program, argv) == (sys.executable, sys.orig_argv)
        raise StartedAgainError

    monkeypatch.setenv("SLUICE_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.delenv("SLUICE_WORKER_STARTED_AGAIN", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(
        launch, "run_processes", lambda: SimpleNamespace(open=lambda: seen.append("fork server"))
    )
    monkeypatch.setattr(launch, "_reap", lambda: seen.append("reaped"))
    monkeypatch.setattr(launch, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(launch, "keep_out_of_logs", lambda _: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(os, "execv", become)

    def play(code: object) -> list[str]:
        def app() -> None:
            seen.append(" ".join(sys.argv))
            if code is not None:
                raise SystemExit(code)

        monkeypatch.setattr("prefect.cli.app", app)
        launch.main(["worker", "start"])
        return seen

    yield play
    os.environ.pop("SLUICE_WORKER_STARTED_AGAIN", None)


def test_it_is_prefects_worker_beside_its_fork_server(ends: Ends, tmp_path: Path) -> None:
    assert ends(None) == ["reaped", "fork server", "prefect worker start"]
    assert tempfile.gettempdir() == str(tmp_path / "tmp")
    assert (tmp_path / "tmp").stat().st_mode & 0o777 == 0o700


def test_one_that_was_told_to_end_ends(ends: Ends) -> None:
    with pytest.raises(SystemExit) as ended:
        ends(0)
    assert ended.value.code == 0


def test_one_that_ends_at_once_stays_down_and_says_why(
    ends: Ends, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        ends(1)
    assert ended.value.code == 1
    assert "sluice: Prefect's server at http://127.0.0.1:1/api does not answer" in capsys.readouterr().err


def test_one_that_ran_for_a_while_is_started_again(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_FIRST_SECONDS", 0)
    with pytest.raises(StartedAgainError):
        ends(1)
    # From now on it is started again however soon it ends.
    monkeypatch.setattr(launch, "_FIRST_SECONDS", 60)
    with pytest.raises(StartedAgainError):
        ends(1)


def test_one_that_should_not_run_any_more_stays_down(
    ends: Ends, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_FIRST_SECONDS", 0)
    written.unlink()
    with pytest.raises(SystemExit):
        ends(1)


@pytest.mark.parametrize(("given", "code"), [(None, 0), (0, 0), (3, 3), ("why it ends", None)])
def test_an_exit_is_a_code_unless_it_is_words(given: object, code: int | None) -> None:
    assert code_of(SystemExit(given)) == code
