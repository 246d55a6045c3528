"""Commands on the control machine: limits, what is left behind, what is kept."""

from __future__ import annotations

import os
import selectors
import time
from pathlib import Path
from uuid import uuid4

import pytest

from tasks.adapters.local import LINGER_SECONDS, LocalRunner
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, Fence, Limits
from tasks.kernel.redact import Redactor


@pytest.fixture
def runner() -> LocalRunner:
    return LocalRunner(Redactor(), grace_seconds=1)


def alive(mark: str) -> list[str]:
    """Return the processes whose command line holds a mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in text:
            found.append(text)
    return found


def gone(mark: str) -> bool:
    until = time.monotonic() + 60
    while alive(mark) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(mark)


@pytest.mark.parametrize(
    "script",
    ["sleep {0}", "sleep {0} & sleep {0}", "(sleep {0}) & wait", "trap '' TERM; sleep {0}; sleep {0}"],
    ids=["alone", "with a child", "with a grandchild", "ignores the request"],
)
def test_the_whole_group_is_ended(runner: LocalRunner, script: str) -> None:
    mark = f"3{uuid4().int % 10**9}"
    with pytest.raises(TerminalError, match=r"the control machine took longer than 0.5 s and was ended"):
        runner.run(Call(("sh", "-c", script.format(mark)), limits=Limits(0.5, 60)))
    assert gone(mark)


def test_silence_is_told_as_such(runner: LocalRunner) -> None:
    with pytest.raises(TerminalError, match=r"said nothing for 0.5 s"):
        runner.run(Call(("sleep", "30"), limits=Limits(60, 0.5)))


def test_output_keeps_a_command_from_being_idle(runner: LocalRunner) -> None:
    script = "for n in 1 2 3 4 5 6 7 8 9; do sleep 0.25; echo $n; done"
    assert runner.run(Call(("sh", "-c", script), limits=Limits(60, 2))).ok


def test_a_command_whose_reader_fails_is_ended(runner: LocalRunner) -> None:
    mark = f"3{uuid4().int % 10**9}"

    def fail(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(Call(("sh", "-c", f"echo go; sleep {mark}")), on_line=fail)
    assert gone(mark)


def test_what_a_command_left_running_does_not_hold_it_up(runner: LocalRunner) -> None:
    began = time.monotonic()
    assert runner.run(Call(("sh", "-c", "sleep 60 & echo gone"))).stdout == "gone\n"
    assert time.monotonic() - began < 30


def test_what_came_while_the_machine_stood_still_is_kept(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begin = tmp_path / "begin"
    os.mkfifo(begin)

    class Stalled(selectors.DefaultSelector):
        stalled = False

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if self.stalled:
                return super().select(timeout)
            self.stalled = True
            # Nothing came as long as it looked; the command speaks and ends while it stands still.
            begin.write_text("now\n")
            time.sleep(LINGER_SECONDS + 0.5)
            return []

    monkeypatch.setattr(selectors, "DefaultSelector", Stalled)
    call = Call(("sh", "-c", 'read -r _ < "$1"; echo last words', "speak", str(begin)))
    assert runner.run(call).stdout == "last words\n"


def test_much_goes_in_and_out(runner: LocalRunner) -> None:
    content = bytes(range(256)) * 40_000
    assert runner.run_raw(Call(("cat",), stdin=content)).stdout == content


def test_a_command_may_ignore_its_input(runner: LocalRunner) -> None:
    assert runner.run(Call(("echo", "done"), stdin=b"x" * 5_000_000)).stdout == "done\n"


def test_the_end_of_a_long_error_output_is_kept(runner: LocalRunner) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' e >&2; echo end >&2"
    kept = runner.run(Call(("sh", "-c", script))).stderr
    assert 900_000 < len(kept) < 1_200_000
    assert kept.startswith("[")
    assert kept.endswith("e" * 100 + "end\n")


def test_long_standard_output_is_kept_whole(runner: LocalRunner) -> None:
    kept = runner.run_raw(Call(("head", "-c", "20000000", "/dev/zero"))).stdout
    assert len(kept) == 20_000_000


def test_cut_output_is_not_data(runner: LocalRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.adapters.command_runner.KEPT_STDOUT_BYTES", 100_000)
    whole = Call(("sh", "-c", "yes | head -c 100000"))
    assert len(runner.run(whole).stdout) == 100_000
    longer = Call(("sh", "-c", "yes | head -c 300000"))
    with pytest.raises(TerminalError, match="incomplete output is not used"):
        runner.run(longer)
    assert runner.run_raw(longer).cut
    # Who is told the lines, and who reads why a command failed, needs no whole.
    told: list[str] = []
    assert runner.run(longer, on_line=told.append).cut
    assert told[-1] == "y"
    failed = runner.run(Call(("sh", "-c", "yes | head -c 300000; echo why; exit 3")))
    assert (failed.cut, failed.exit_code, failed.tail(1)) == (True, 3, "why")


def test_output_of_any_size_is_taken_piece_by_piece(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.adapters.command_runner.KEPT_STDOUT_BYTES", 100_000)
    taken: list[bytes] = []
    result = runner.run_raw(Call(("sh", "-c", "yes | head -c 3000000")), take=taken.append)
    assert (result.stdout, result.cut) == (b"", False)
    assert b"".join(taken) == b"y\n" * 1_500_000


def test_who_takes_the_pieces_may_end_the_command(runner: LocalRunner) -> None:
    def full(piece: bytes) -> None:
        raise OSError(f"no room for {len(piece)} bytes")

    with pytest.raises(OSError, match="no room"):
        runner.run_raw(Call(("yes",)), take=full)


def test_lines_come_while_the_command_runs(runner: LocalRunner, tmp_path: Path) -> None:
    told: list[str] = []

    def answer(line: str) -> None:
        told.append(line)
        (tmp_path / line).touch()

    # It waits for the word that its first line was told.
    script = 'echo 1; until [ -e "$1/1" ]; do sleep 0.05; done; echo 2 >&2'
    runner.run(Call(("sh", "-c", script, "wait", str(tmp_path)), limits=Limits(60, 60)), on_line=answer)
    assert told == ["1", "2"]


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("a\\nb", ["a", "b"]),
        ("10%%\\r20%%\\r100%%\\n", ["10%", "20%", "100%"]),
        ("windows\\r\\nends\\r\\n", ["windows", "ends"]),
        ("\\n\\nblank\\n", ["blank"]),
        ("no end", ["no end"]),
        ("a\\377b\\n", ["a\ufffdb"]),
    ],
)
def test_lines_are_split_where_people_see_them_end(
    runner: LocalRunner, written: str, lines: list[str]
) -> None:
    told: list[str] = []
    runner.run(Call(("printf", written)), on_line=told.append)
    assert told == lines


def test_a_line_without_end_is_told_in_pieces(runner: LocalRunner) -> None:
    told: list[str] = []
    runner.run(Call(("head", "-c", "1000000", "/dev/zero")), on_line=told.append)
    assert len(told) > 5
    assert sum(map(len, told)) == 1_000_000


def test_secrets_are_redacted_where_people_look() -> None:
    runner = LocalRunner(Redactor(["hunter2-secret"]))
    lines: list[str] = []
    call = Call(("sh", "-c", "cat; cat /nowhere/hunter2-secret"), stdin=b"hunter2-secret\n")
    result = runner.run(call, on_line=lines.append)
    assert "hunter2" not in result.stderr
    assert not any("hunter2" in line for line in lines)


def test_a_missing_program_is_a_result_as_in_a_shell(runner: LocalRunner) -> None:
    assert runner.run(Call(("no-such-program",))).exit_code == 127


def test_a_program_that_cannot_be_run_is_a_result_as_in_a_shell(runner: LocalRunner, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    assert runner.run(Call((str(tmp_path / "text"),))).exit_code == 126


def test_a_missing_folder_is_an_error(runner: LocalRunner, tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match=f"no folder {tmp_path}/none"):
        runner.run(Call(("true",), cwd=f"{tmp_path}/none"))


def test_a_signal_is_told_as_in_a_shell(runner: LocalRunner) -> None:
    assert runner.run(Call(("sh", "-c", "kill -9 $$"))).exit_code == 137


def test_variables_are_added_to_those_inherited(tmp_path: Path) -> None:
    runner = LocalRunner(environment={"PATH": "/usr/bin:/bin", "KEPT": "1", "CHANGED": "1"})
    call = Call(
        ("sh", "-c", 'echo "$KEPT $CHANGED $NEW $HOME"; pwd'),
        env={"CHANGED": "2", "NEW": "3"},
        cwd=str(tmp_path),
    )
    assert runner.run(call).stdout == f"1 2 3 \n{tmp_path}\n"


def test_a_fence_is_no_protection_here(runner: LocalRunner) -> None:
    with pytest.raises(ValueError, match="fence"):
        runner.run(Call(("true",), fence=Fence("x", 1)))
