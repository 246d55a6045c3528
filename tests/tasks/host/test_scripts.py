"""The constant scripts, run for real in every shell a server may have as `sh`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tasks.host import scripts
from tasks.kernel.archive import LISTED, Archive
from tasks.kernel.argv import Argv
from tests.lab.shell import wait_until
from tests.tasks.packing import packed, whole

FOLDER = Path(scripts.__file__).parent / "shell"
SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}


@dataclass(frozen=True)
class Shell:
    """A shell with the programs that go with it, and a folder to work in."""

    words: Argv
    path: str
    folder: Path

    def run(self, argv: Argv, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        assert argv[:2] == ("sh", "-c")
        variables = {"PATH": self.path, "HOME": str(self.folder), **environment}
        return subprocess.run(
            (*self.words, *argv[1:]),
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=variables,
            timeout=60,
            check=False,
        )

    def start(self, argv: Argv, **streams: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            (*self.words, *argv[1:]),
            cwd=self.folder,
            env={"PATH": self.path, "HOME": str(self.folder)},
            **streams,
        )


def listing(folder: Path) -> list[str]:
    """Return the names in a folder, hidden ones too, sorted."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    path = os.environ["PATH"]
    if request.param == "busybox":
        programs = tmp_path / "programs"
        programs.mkdir()
        subprocess.run(("busybox", "--install", "-s", str(programs)), check=True)
        # Servers with busybox need flock of util-linux: busybox's own cannot wait for a bounded time.
        (programs / "flock").unlink(missing_ok=True)
        (programs / "flock").symlink_to(shutil.which("flock") or "/usr/bin/flock")
        path = str(programs)
    folder = tmp_path / "it's $HOME"
    folder.mkdir()
    program, *options = SHELLS[request.param]
    return Shell((shutil.which(program) or program, *options), path, folder)


# -- the wrapper ----------------------------------------------------------------------------------------------------


def test_the_wrapper_tells_its_process_and_becomes_the_command(shell: Shell) -> None:
    done = shell.run(scripts.run("", "", "", ("sh", "-c", "echo $$")))
    assert done.stderr == b"sluice: pid " + done.stdout


def test_the_wrapper_passes_words_on_as_they_are(shell: Shell) -> None:
    words = ("a b", "$(id)", "", "'", "\\", "--", "*", "\n", "9>&1")
    done = shell.run(scripts.run("", "", "", ("printf", "<%s>", *words)))
    assert done.stdout.decode() == "".join(f"<{word}>" for word in words)


def test_the_wrapper_enters_a_folder(shell: Shell) -> None:
    (shell.folder / "-in side").mkdir()
    done = shell.run(scripts.run("-in side", "", "", ("pwd",)))
    assert done.stdout.decode().strip() == f"{shell.folder}/-in side"


@pytest.mark.parametrize("cwd", ["missing", "file"])
def test_the_wrapper_misses_a_folder(shell: Shell, cwd: str) -> None:
    (shell.folder / "file").touch()
    done = shell.run(scripts.run(cwd, "", "", ("touch", "ran")))
    assert done.returncode == scripts.EXIT_NO_FOLDER
    assert f"sluice: no folder {cwd}" in done.stderr.decode()
    assert not (shell.folder / "ran").exists()


def raised(shell: Shell, token: int, seconds: int = 1) -> int:
    return shell.run(scripts.raise_fence("app", token, seconds)).returncode


def fenced(shell: Shell, token: int, *argv: str) -> int:
    return shell.run(scripts.run("", "app", str(token), argv or ("true",))).returncode


def test_only_the_token_that_stands_may_change_something(shell: Shell) -> None:
    assert fenced(shell, 7) == scripts.EXIT_NO_FOLDER
    assert raised(shell, 7) == 0
    assert fenced(shell, 7) == 0
    assert fenced(shell, 6, "touch", "ran") == scripts.EXIT_FENCED
    assert fenced(shell, 8, "touch", "ran") == scripts.EXIT_FENCED
    assert raised(shell, 10) == 0
    assert raised(shell, 9) == scripts.EXIT_FENCED
    assert fenced(shell, 7, "touch", "ran") == scripts.EXIT_FENCED
    assert fenced(shell, 10) == 0
    assert not (shell.folder / "ran").exists()


def test_the_fence_waits_for_a_running_command(shell: Shell) -> None:
    assert raised(shell, 1) == 0
    # It runs until its input ends.
    argv = scripts.run("", "app", "1", ("sh", "-c", "echo; exec cat"))
    running = shell.start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdin
    assert running.stdout
    running.stdout.readline()
    wait_until(lambda: Path(f"/proc/{running.pid}/cmdline").read_bytes() == b"cat\0", "cat", seconds=60)
    refused = shell.run(scripts.raise_fence("app", 2, 0))
    assert refused.returncode == scripts.EXIT_BUSY
    assert f"still running: {running.pid} cat" in refused.stderr.decode()
    assert fenced(shell, 1) == scripts.EXIT_FENCED
    threading.Timer(1, running.stdin.close).start()
    assert raised(shell, 2, 50) == 0
    assert running.wait(60) == 0
    running.stdout.close()


def test_a_commands_child_keeps_the_fence(shell: Shell) -> None:
    assert raised(shell, 1) == 0
    word = shell.folder / "word"
    os.mkfifo(word)
    assert fenced(shell, 1, "sh", "-c", "cat word >/dev/null 2>&1 &") == 0
    with word.open("w") as given:
        assert raised(shell, 2, 0) == scripts.EXIT_BUSY
        threading.Timer(1, given.close).start()
        assert raised(shell, 2, 50) == 0


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_process_group_is_ended(shell: Shell, stubborn: bool) -> None:
    trap = "trap '' TERM; " if stubborn else ""
    words = ("sh", "-c", f"{trap}echo; sleep 60; sleep 60")
    running = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    assert running.stdout
    running.stdout.readline()
    ended = subprocess.Popen((*shell.words, *scripts.kill(running.pid, 1)[1:]), env={"PATH": shell.path})
    assert running.wait(60) == (-9 if stubborn else -15)
    assert ended.wait(60) == 0
    running.stdout.close()


def test_ending_what_is_gone_is_no_error(shell: Shell) -> None:
    gone = subprocess.Popen(("true",), start_new_session=True)
    gone.wait()
    assert shell.run(scripts.kill(gone.pid, 1)).returncode == 0


# -- files ----------------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole(shell: Shell) -> None:
    content = bytes(range(256)) * 1000
    assert shell.run(scripts.write("a b/-c/file", 0o640, len(content)), content).returncode == 0
    written = shell.folder / "a b/-c/file"
    assert written.read_bytes() == content
    assert written.stat().st_mode & 0o7777 == 0o640
    assert listing(written.parent) == ["file"]


@pytest.mark.parametrize("size", [0, 3, 5])
def test_a_file_of_another_size_is_not_written(shell: Shell, size: int) -> None:
    (shell.folder / "file").write_text("before")
    done = shell.run(scripts.write("file", 0o644, size), b"four")
    assert done.returncode == 1
    assert (shell.folder / "file").read_text() == "before"
    assert listing(shell.folder) == ["file"]


def test_a_file_replaces_a_link_and_not_what_it_leads_to(shell: Shell) -> None:
    (shell.folder / "other").write_text("kept")
    (shell.folder / "file").symlink_to("other")
    assert shell.run(scripts.write("file", 0o644, 3), b"new").returncode == 0
    assert (shell.folder / "other").read_text() == "kept"
    assert (shell.folder / "file").read_text() == "new"


def test_a_file_is_read(shell: Shell) -> None:
    (shell.folder / "-n").write_bytes(b"\0text\n")
    assert shell.run(scripts.read("-n")).stdout == b"\0text\n"
    assert shell.run(scripts.read("missing")).returncode == scripts.EXIT_MISSING


def unpack(shell: Shell, folder: str, archive: Archive) -> subprocess.CompletedProcess[bytes]:
    argv = scripts.unpack(folder, archive.size, LISTED, archive.digest)
    return shell.run(argv, whole(archive))


def test_an_archive_takes_a_folders_place(shell: Shell) -> None:
    for text in ("one", "two"):
        assert unpack(shell, "releases/r 1", packed({text: text})).returncode == 0
        assert listing(shell.folder / "releases/r 1") == [text]
    assert listing(shell.folder / "releases") == ["r 1"]


def test_a_broken_archive_leaves_the_folder(shell: Shell) -> None:
    archive = packed(one="one")
    content = whole(archive)
    unpack(shell, "r", archive)
    for broken, size in (
        (b"no archive at all" * 99, 17 * 99),
        (content[:700], 700),
        (content[:700], len(content)),
    ):
        argv = scripts.unpack("r", size, LISTED, archive.digest)
        assert shell.run(argv, broken).returncode != 0
        assert listing(shell.folder) == ["r"]
        assert listing(shell.folder / "r") == ["one"]


def test_a_replacement_cut_half_way_is_mended(shell: Shell) -> None:
    (shell.folder / ".r.old").mkdir()
    (shell.folder / ".r.old/old").touch()
    broken = shell.run(scripts.unpack("r", 5, LISTED, "0"), b"12345")
    assert broken.returncode != 0
    assert unpack(shell, "r", packed(new="new")).returncode == 0
    assert listing(shell.folder / "r") == ["new"]
    assert listing(shell.folder) == ["r"]


# Every kind of name that git takes: what follows a line break or a backslash must not become a line of its own.
NAMES = (
    "two words", "it's", '"quoted"', "-rf", "- ", "*", "$HOME", "back\\slash", "\\n", "new\nline", "end\n", "tab\t",
    "cr\r", "ünï", "\udcff\udcfe", "~", "#", "a  b", "deep/er/file", "x" * 200,
)  # fmt: skip


def test_files_of_every_name_arrive_and_are_compared(shell: Shell) -> None:
    archive = packed({name: f"<{name}>".encode(errors="surrogateescape") for name in NAMES} | {"empty": ""})
    done = unpack(shell, "r", archive)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    for name in NAMES:
        assert (shell.folder / "r" / name).read_bytes() == f"<{name}>".encode(errors="surrogateescape")
    assert (shell.folder / "r/empty").read_bytes() == b""


@pytest.mark.parametrize("name", ["plain", "new\nline", "\\n", "\udcff"])
def test_one_file_that_is_another_is_told_among_many(shell: Shell, name: str) -> None:
    unpack(shell, "r", packed(before="it was there"))
    archive = packed({name: "b", "a": "1", "z": "2"})
    archive.checksums[name] = "0" * 64
    archive.checksums["nothing"] = "1" * 64
    done = unpack(shell, "r", archive)
    assert done.returncode == scripts.EXIT_OTHER
    told = dict(zip(archive.paths, done.stdout.decode().split(), strict=True))
    assert (told[name], told["nothing"]) == (hashlib.sha256(b"b").hexdigest(), "-")
    assert (told["a"], told["z"]) == (archive.checksums["a"], archive.checksums["z"])
    assert listing(shell.folder / "r") == ["before"]
    assert listing(shell.folder) == ["r"]


def test_a_long_list_of_files_is_read_by_few_programs(shell: Shell) -> None:
    counting = shell.folder.parent / "counting"
    counting.mkdir()
    program = f'#!/bin/sh\necho >> "{counting}/calls"\nexec {shutil.which("sha256sum")} "$@"\n'
    (counting / "sha256sum").write_text(program)
    (counting / "sha256sum").chmod(0o755)
    archive = packed({f"deep/{number}": str(number) for number in range(2000)})
    assert unpack(replace(shell, path=f"{counting}:{shell.path}"), "r", archive).returncode == 0
    assert 2 <= len((counting / "calls").read_text()) < 10


def test_a_link_is_switched(shell: Shell) -> None:
    for name in ("releases/1", "releases/2"):
        (shell.folder / name).mkdir(parents=True)
        assert shell.run(scripts.link(name, "current")).returncode == 0
        assert str((shell.folder / "current").readlink()) == name
    assert listing(shell.folder) == ["current", "releases"]
    assert listing(shell.folder / "releases/1") == []


def test_a_folder_is_not_replaced_by_a_link(shell: Shell) -> None:
    (shell.folder / "current").mkdir()
    assert shell.run(scripts.link("releases/1", "current")).returncode != 0
    assert (shell.folder / "current").is_dir()


# -- dumps, logins, pruning -----------------------------------------------------------------------------------------


def test_a_dump_is_kept_with_its_checksum(shell: Shell) -> None:
    content = os.urandom(300_000)
    (shell.folder / "data").write_bytes(content)
    done = shell.run(scripts.dump("backups/x y.dump", ("cat", "data")))
    assert done.stdout.decode() == f"{hashlib.sha256(content).hexdigest()} {len(content)}\n"
    assert (shell.folder / "backups/x y.dump").read_bytes() == content
    assert (shell.folder / "backups/x y.dump").stat().st_mode & 0o077 == 0
    assert listing(shell.folder / "backups") == ["x y.dump"]


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ("printf half; exit 3", 3, "exit status 3"),
        ("printf half; kill -9 $$", 137, "exit status 137"),
        ("true", 1, "empty"),
        ("exit 66", 66, "exit status 66"),
    ],
)
def test_a_failed_dump_leaves_nothing(shell: Shell, script: str, status: int, words: str) -> None:
    done = shell.run(scripts.dump("backups/x.dump", ("sh", "-c", script)))
    assert (done.returncode, done.stdout) == (status, b"")
    assert words in done.stderr.decode()
    assert listing(shell.folder / "backups") == []


def test_a_failed_dump_leaves_the_one_before(shell: Shell) -> None:
    assert shell.run(scripts.dump("x.dump", ("echo", "first"))).returncode == 0
    assert shell.run(scripts.dump("x.dump", ("sh", "-c", "echo second; exit 1"))).returncode == 1
    assert (shell.folder / "x.dump").read_text() == "first\n"


def test_a_dump_that_cannot_be_stored_is_told(shell: Shell) -> None:
    (shell.folder / "x.dump.part").symlink_to("/dev/full")
    done = shell.run(scripts.dump("x.dump", ("head", "-c", "100000", "/dev/zero")))
    assert done.returncode == 1
    assert "disk full" in done.stderr.decode()
    assert listing(shell.folder) == []


def test_a_dump_waits_for_an_earlier_one_that_goes_on_unseen(shell: Shell) -> None:
    argv = scripts.dump("x.dump", ("sh", "-c", "echo begun >&2; echo first; sleep 2; echo end"))
    earlier = shell.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert earlier.stderr
    earlier.stderr.readline()
    second = shell.run(scripts.dump("x.dump", ("echo", "second")))
    told, _ = earlier.communicate(timeout=60)
    assert (earlier.returncode, second.returncode) == (0, 0)
    whole = hashlib.sha256(b"first\nend\n").hexdigest()
    assert told.decode() == f"{whole} 10\n"
    assert "waiting for an earlier dump" in second.stderr.decode()
    assert (shell.folder / "x.dump").read_text() == "second\n"
    assert listing(shell.folder) == ["x.dump"]


def test_what_a_dump_command_left_running_holds_up_no_other(shell: Shell) -> None:
    left = "sleep 50 > /dev/null 2>&1 & echo first"
    assert shell.run(scripts.dump("x.dump", ("sh", "-c", left))).returncode == 0
    second = shell.run(scripts.dump("x.dump", ("echo", "second")))
    assert (second.returncode, second.stderr) == (0, b"")


def test_an_ended_dump_leaves_nothing(shell: Shell) -> None:
    argv = scripts.dump("x.dump", ("sh", "-c", "echo begun >&2; sleep 60"))
    running = shell.start(argv, stderr=subprocess.PIPE, start_new_session=True)
    assert running.stderr
    running.stderr.readline()
    os.killpg(running.pid, 15)
    assert running.wait(60) != 0
    assert listing(shell.folder) == []
    running.stderr.close()


def test_a_login_exists_only_for_its_command(shell: Shell) -> None:
    show = 'echo "$DOCKER_CONFIG" >&2; cat "$DOCKER_CONFIG/config.json"; '
    show += 'stat -c %a "$DOCKER_CONFIG" "$DOCKER_CONFIG/config.json"; printf %s "$1"; exit 5'
    done = shell.run(scripts.login(("sh", "-c", show, "x", "$a 'b'")), b'{"auths": {}}')
    assert done.stdout.decode() == "{\"auths\": {}}700\n600\n$a 'b'"
    assert done.returncode == 5
    # The lab's servers may have logins of their own there.
    login = Path(done.stderr.decode().strip())
    assert login.name.startswith("sluice-login.")
    assert not login.exists()


def test_a_login_keeps_the_plugins(shell: Shell) -> None:
    plugins = shell.folder / ".docker/cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").touch()
    done = shell.run(scripts.login(("sh", "-c", 'ls "$DOCKER_CONFIG/cli-plugins"')), b"{}")
    assert done.stdout == b"docker-compose\n"
    assert (plugins / "docker-compose").exists()


def test_a_login_finds_the_engine_of_the_own_context(shell: Shell) -> None:
    (shell.folder / ".docker").mkdir()
    (shell.folder / ".docker/config.json").write_text('{"currentContext": "rootless"}')
    (shell.folder / "bin").mkdir()
    (shell.folder / "bin/docker").write_text("#!/bin/sh\necho unix:///run/user/1000/docker.sock\n")
    (shell.folder / "bin/docker").chmod(0o755)
    path = f"{shell.folder}/bin:{shell.path}"
    done = shell.run(scripts.login(("sh", "-c", 'echo "$DOCKER_HOST"')), b"{}", PATH=path)
    assert done.stdout == b"unix:///run/user/1000/docker.sock\n"


def test_a_killed_login_is_removed_by_the_next_one(shell: Shell) -> None:
    argv = scripts.login(("sh", "-c", 'echo "$DOCKER_CONFIG"; sleep 60'))
    running = shell.start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert running.stdin
    assert running.stdout
    running.stdin.write(b"{}")
    running.stdin.close()
    login = Path(running.stdout.readline().decode().strip())
    os.killpg(running.pid, 9)
    running.wait()
    running.stdout.close()
    assert login.exists()
    shell.run(scripts.login(("true",)), b"{}")
    assert not login.exists()


def test_what_is_not_kept_is_removed(shell: Shell) -> None:
    releases = shell.folder / "releases"
    for name in ("1", "2", "3 x", "4", ".half", ".old"):
        (releases / name).mkdir(parents=True)
        (releases / name / "file").touch()
    (releases / "file").touch()
    (shell.folder / "current").symlink_to("releases/2")
    long_ago = time.time() - 3 * 86400
    os.utime(releases / ".old", (long_ago, long_ago))
    done = shell.run(scripts.prune("releases", ("4",)))
    assert done.stdout.decode().splitlines() == ["1", "3 x"]
    assert listing(releases) == [".half", "2", "4", "file"]


def test_nothing_is_removed_where_nothing_is_named(shell: Shell) -> None:
    (shell.folder / "releases/1").mkdir(parents=True)
    assert shell.run(scripts.prune("releases", ())).returncode != 0
    assert listing(shell.folder / "releases") == ["1"]


def test_pruning_a_missing_folder_removes_nothing_elsewhere(shell: Shell) -> None:
    (shell.folder / "1").mkdir()
    assert shell.run(scripts.prune("releases", ("2",))).returncode == 0
    assert listing(shell.folder) == ["1"]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.sh")), ids=lambda file: file.stem)
def test_a_script_is_read_without_its_head(file: Path) -> None:
    head, _, body = file.read_text().partition("\n\n")
    assert all(line.startswith("# ") for line in head.splitlines())
    assert scripts.text_of(file.stem) == body
    assert scripts.shell(file.stem, "one")[3:] == (f"sluice-{file.stem}", "one")
    subprocess.run(("sh", "-n"), input=body, check=True, text=True)
