"""Reading containers' logs: the script in a real shell, and what is read from its output."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.kernel.errors import TerminalError
from tasks.targets.compose.commands.service_logs import MOST_LINES, parse_logs, parse_moment, read_logs

MARK = "sluice-0f0f"
DOCKER = """#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
case "$*" in
  *syslog*) echo 'Error response from daemon: configured logging driver does not support reading' >&2; exit 1 ;;
  *quiet*) exit 0 ;;
  *loud*) i=0
     while [ $i -lt 60000 ]; do echo "2026-11-26T06:00:00.100000000Z a line of a loud service $i"; i=$((i+1))
     done ;;
  *) echo '2026-11-26T06:00:00.100000000Z first'; echo '2026-11-26T06:00:02.600000000Z  second ' >&2
     printf '2026-11-26T06:00:03.000000000Z without end' ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path) -> dict[str, str]:
    """An environment whose `docker` is a script that answers as the engine does."""
    program = tmp_path / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}


def test_logs_are_read_in_one_call(docker: dict[str, str]) -> None:
    argv = read_logs(MARK, {"aaa": 600, "syslog": 3, "quiet": 0})
    done = subprocess.run(argv, env=docker, capture_output=True, text=True, check=True)
    found = parse_logs(MARK, done.stdout)
    assert abs((datetime.now(UTC) - found.now).total_seconds()) < 60
    log = found.containers["aaa"]
    assert log.lines == ("first", " second ", "without end")
    assert (log.readable, log.capped, log.seconds) == (True, False, 2.9)
    assert found.containers["quiet"].lines == ()
    assert found.containers["quiet"].readable
    assert not found.containers["syslog"].readable
    assert "does not support reading" in found.containers["syslog"].problem
    calls = Path(docker["CALLS"]).read_text().splitlines()
    assert calls[0] == f"logs --timestamps --since=600s --tail={MOST_LINES} aaa"
    assert calls[2] == f"logs --timestamps --since=1s --tail={MOST_LINES} quiet"


def test_the_beginning_is_read_where_it_is_asked_for(docker: dict[str, str]) -> None:
    until = {"aaa": datetime(2026, 11, 26, 6, 10, tzinfo=UTC)}
    done = subprocess.run(
        read_logs(MARK, {"aaa": 600, "quiet": 5}, until),
        env=docker,
        capture_output=True,
        text=True,
        check=True,
    )
    found = parse_logs(MARK, done.stdout)
    assert found.starts["aaa"].lines == ("first", " second ", "without end")
    assert found.containers["aaa"].lines == ("first", " second ", "without end")
    assert set(found.starts) == {"aaa"}
    assert set(found.containers) == {"aaa", "quiet"}
    assert Path(docker["CALLS"]).read_text().splitlines()[1] == (
        "logs --timestamps --until=2026-11-26T06:10:00Z aaa"
    )


def test_a_loud_log_is_capped_and_its_end_is_kept(docker: dict[str, str]) -> None:
    argv = read_logs(MARK, {"loud": 600})
    done = subprocess.run(argv, env=docker, capture_output=True, text=True, check=True)
    log = parse_logs(MARK, done.stdout).containers["loud"]
    assert log.capped
    assert log.readable
    assert log.lines[-1] == "a line of a loud service 59999"
    assert len(done.stdout) < 2.2 * 1024 * 1024


def test_a_log_cannot_end_itself_or_begin_another() -> None:
    text = (
        f"{MARK} now 1764136800\n{MARK} log aaa\n2026-11-26T06:00:00Z other-mark end 0\n"
        f"2026-11-26T06:00:01Z {MARK} log bbb\n{MARK} end 0\n"
    )
    found = parse_logs(MARK, text)
    assert list(found.containers) == ["aaa"]
    assert found.containers["aaa"].lines == ("other-mark end 0", f"{MARK} log bbb")


def test_what_was_cut_off_is_not_readable() -> None:
    found = parse_logs(MARK, f"{MARK} now 1764136800\n{MARK} log aaa\n2026-11-26T06:00:00Z x")
    assert not found.containers["aaa"].readable
    assert found.containers["aaa"].problem == "its log was cut off"


def test_a_container_cannot_be_an_option() -> None:
    with pytest.raises(TerminalError):
        read_logs(MARK, {"--help": 1})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-26T06:00:00.123456789Z", datetime(2026, 11, 26, 6, 0, 0, 123456, UTC)),
        ("2026-11-26T06:00:00.5Z", datetime(2026, 11, 26, 6, 0, 0, 500000, UTC)),
        ("2026-11-26T06:00:00Z", datetime(2026, 11, 26, 6, 0, 0, 0, UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_moments(text: str, moment: datetime | None) -> None:
    assert parse_moment(text) == moment


@given(st.text(max_size=200))
def test_any_output_is_read(text: str) -> None:
    parse_moment(text)
    assert parse_logs(MARK, text).containers == {}
