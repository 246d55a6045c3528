"""What every runner does alike: the fake, the control machine, a server over SSH."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.adapters.local import LocalRunner
from tasks.kernel.errors import TerminalError
from tasks.kernel.output import LAST_LINES, MOST_LINES
from tasks.kernel.protocols import Call, Limits, Runner
from tests.fakes.runner import FakeRunner

# One of its parameters asks for the lab.
pytestmark = pytest.mark.lab


@pytest.fixture(params=["fake", "local", "ssh"])
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    if request.param == "ssh":
        yield request.getfixturevalue("ssh_host")
    else:
        yield FakeRunner() if request.param == "fake" else LocalRunner(grace_seconds=1)


@pytest.fixture(params=["local", "ssh"])
def real(request: pytest.FixtureRequest) -> Runner:
    """A runner that starts processes."""
    if request.param == "local":
        return LocalRunner(grace_seconds=1)
    found: Runner = request.getfixturevalue("ssh_host")
    return found


def test_it_has_a_name_for_messages(runner: Runner) -> None:
    assert runner.name.strip()


@pytest.mark.parametrize(("program", "exit_code"), [("true", 0), ("false", 1)])
def test_a_failed_command_is_a_result_not_an_error(runner: Runner, program: str, exit_code: int) -> None:
    result = runner.run(Call((program,)))
    assert (result.argv, result.exit_code, result.ok) == ((program,), exit_code, exit_code == 0)


@pytest.mark.parametrize(
    "word",
    [
        "plain",
        "two words",
        "it's",
        '"quoted"',
        "$(id)",
        "`id`",
        "a;b|c&d",
        "--help",
        "*",
        "\\",
        "line\nline",
        "",
        "žluťoučký",
    ],
)
def test_an_argument_arrives_as_it_is(runner: Runner, word: str) -> None:
    assert runner.run(Call(("printf", "%s", word))).stdout == word


def test_standard_input_reaches_the_command(runner: Runner) -> None:
    assert runner.run(Call(("cat",), stdin=b"from outside\n")).stdout == "from outside\n"


def test_without_standard_input_the_command_does_not_wait(runner: Runner) -> None:
    assert runner.run(Call(("cat",), limits=Limits(20, 20))).stdout == ""


def test_lines_are_told_as_they_come(runner: Runner) -> None:
    lines: list[str] = []
    runner.run(Call(("echo", "one\ntwo")), on_line=lines.append)
    assert lines == ["one", "two"]


def test_of_very_many_lines_the_first_and_the_last_are_told(real: Runner) -> None:
    """A run's log keeps each line it is told: a command that prints a million would hold its end up for minutes."""
    told: list[str] = []
    made = real.run(Call(("seq", "1", "100000")), on_line=told.append)
    assert (told[0], told[MOST_LINES - 1], told[-1]) == ("1", str(MOST_LINES), "100000")
    assert told[MOST_LINES] == f"[{100_000 - MOST_LINES - LAST_LINES} lines left out]"
    assert len(told) == MOST_LINES + LAST_LINES + 1
    assert made.stdout.endswith("99999\n100000\n")
    told.clear()
    with pytest.raises(TerminalError, match="ended"):
        real.run(Call(("sh", "-c", "seq 1 6000; sleep 30"), limits=Limits(60, 0.5)), on_line=told.append)
    assert told[-1] == "6000"


@pytest.mark.parametrize("limits", [Limits(0.5, 60), Limits(60, 0.5)], ids=["total", "idle"])
def test_a_command_that_takes_too_long_is_ended(runner: Runner, limits: Limits) -> None:
    with pytest.raises(TerminalError, match=r"sleep.*ended"):
        runner.run(Call(("sleep", "30"), limits=limits))


def test_it_works_again_after_a_limit_was_passed(runner: Runner) -> None:
    with pytest.raises(TerminalError):
        runner.run(Call(("sleep", "30"), limits=Limits(0.3, 60)))
    assert runner.run(Call(("echo", "still here"))).stdout == "still here\n"
