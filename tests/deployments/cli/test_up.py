"""What `sluice up` decides before it starts anything, and how it ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from deployments.cli import up
from deployments.cli.up import _alone, _check_login, _check_port, _end, _ended
from deployments.control_plane import prefect_api
from deployments.control_plane.environment import log_file, process_file
from deployments.control_plane.login import ServerLogin, login_file
from deployments.control_plane.parts import held_port
from tasks.kernel.errors import TerminalError
from tests.lab.ports import free_port


class Plane:
    """A control plane whose runs end when they are told to.

    Args:
        runs: The ids of the runs that it carries.
    """

    def __init__(self, home: Path, runs: tuple[str, ...] = (), login: str = "admin:secret") -> None:
        self.home = home
        self.url = "http://127.0.0.1:4200"
        self.login = ServerLogin(login, "the file")
        self.server: object = SimpleNamespace()
        self.carried = runs
        self.stopped: list[float] = []
        self.interrupted = False

    def runs(self) -> tuple[str, ...]:
        return self.carried

    def stop(self, *, seconds: float) -> tuple[str, ...]:
        self.stopped.append(seconds)
        if self.interrupted and len(self.stopped) == 1:
            raise KeyboardInterrupt
        return self.carried


def plane(home: Path, *runs: str, login: str = "admin:secret") -> Any:
    return Plane(home, runs, login)


def test_one_starts_things_at_a_time(tmp_path: Path) -> None:
    with (
        _alone(tmp_path),
        pytest.raises(TerminalError, match="another `sluice up` is starting"),
        _alone(tmp_path),
    ):
        pass
    with _alone(tmp_path):
        assert (tmp_path / "run" / "up.lock").exists()


def test_a_port_that_another_program_has_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_api, "_HEALTH_SECONDS", 0.05)
    port = free_port()
    _check_port(port)
    with held_port(port), pytest.raises(TerminalError, match=f"port {port} is taken by another program"):
        _check_port(port)


def test_what_an_earlier_version_started_without_a_login_is_started_anew(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match=r"server that runs at .* asks for no login.*`sluice down`"):
        _check_login(plane(tmp_path, login=""))


def test_a_login_that_others_can_read_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = login_file(tmp_path)
    path.write_text("admin:secret\n")
    path.chmod(0o600)
    _check_login(plane(tmp_path))
    assert capsys.readouterr().err == ""
    path.chmod(0o644)
    _check_login(plane(tmp_path))
    assert f"others on this machine can read {path}" in capsys.readouterr().err


def test_the_end_waits_for_runs_and_says_which_were_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ending = plane(tmp_path, "r-1")
    _end(ending, 30.0)
    assert ending.stopped == [30.0]
    waits, cut, last = capsys.readouterr().out.splitlines()
    assert waits.startswith("waiting 30 s for 1 run; Ctrl-C again")
    assert cut.startswith("run r-1 was interrupted; `prefect flow-run retry r-1`")
    assert last == "worker and server have ended"


def test_ctrl_c_while_runs_are_waited_for_cuts_them(tmp_path: Path) -> None:
    ending = plane(tmp_path, "r-1")
    ending.interrupted = True
    _end(ending, 30.0)
    assert ending.stopped == [30.0, 0]


def test_a_part_that_is_gone_was_ended_by_down_or_by_itself(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit) as ended:
        _ended(plane(tmp_path), "worker")
    assert ended.value.exit_code == 0
    for path, text in ((process_file(tmp_path, "worker"), "{}"), (log_file(tmp_path, "worker"), "why\n")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    left = plane(tmp_path)
    with pytest.raises(TerminalError, match="the worker ended unexpectedly") as told:
        _ended(left, "worker")
    assert (told.value.detail, left.stopped) == ("why", [0])


def test_a_receiver_that_died_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "_AGAIN_SECONDS", 0)
    started: list[bool] = []
    lacking = plane(tmp_path)
    lacking.receiver = SimpleNamespace(alive=lambda: False)
    lacking.start_receiver = lambda: started.append(True)
    up._keep_receiver(lacking)
    assert started == []
    process_file(tmp_path, "receiver").parent.mkdir()
    process_file(tmp_path, "receiver").write_text("{}")
    up._keep_receiver(lacking)
    assert started == [True]
