"""The scripts about dumps on a host, run for real in every shell a server may have as `sh`."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime

import pytest

from tasks.host import files as host_files
from tasks.host import scripts
from tests.tasks.host.test_scripts import Shell, listing, shell

__all__ = ["shell"]

AT = datetime(2026, 11, 20, 5, 33, tzinfo=UTC)


def put(shell: Shell, *names: str, content: bytes = b"12345") -> None:
    for name in names:
        path = shell.folder / "backups" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (AT.timestamp(), AT.timestamp()))


def test_dumps_are_listed(shell: Shell) -> None:
    put(shell, "a.dump", "a.dump.json", "it's b.dump", "-rf.dump", "c.dump.part", "notes.txt")
    (shell.folder / "backups/link.dump").symlink_to("a.dump")
    done = shell.run(host_files.list_dumps("backups"))
    found = host_files.parse_dumps(done.stdout.decode())
    assert done.returncode == 0, done.stderr
    assert {(one.name, one.receipt) for one in found} == {
        ("a.dump", True),
        ("it's b.dump", False),
        ("-rf.dump", False),
    }
    assert {one.bytes for one in found} == {5}


@pytest.mark.parametrize(
    "argv", [host_files.list_dumps("nothing"), host_files.remove_dumps("nothing", ("a",))]
)
def test_where_no_folder_is_there_are_no_dumps(shell: Shell, argv: tuple[str, ...]) -> None:
    done = shell.run(argv)
    assert (done.returncode, done.stdout) == (0, b"")


def test_what_all_releases_share_is_linked_and_nothing_in_it_is_removed(shell: Shell) -> None:
    live = shell.folder / "shared/data/uploads/photo"
    live.parent.mkdir(parents=True)
    live.write_text("live")
    bundle = shell.folder / "releases/r2"
    bundle.mkdir(parents=True)
    pairs = tuple((name, f"shared/{name}") for name in ("data", "data/uploads", "data/new", "a/b"))
    for _ in range(2):
        done = shell.run(host_files.link_shared(str(shell.folder), str(bundle), pairs))
        assert done.returncode == 0, done.stderr
        assert (bundle / "data/uploads/photo").read_text() == "live"
        assert not live.parent.is_symlink()
        assert (bundle / "data/new").resolve() == shell.folder / "shared/data/new"
        assert (bundle / "a/b").resolve() == shell.folder / "shared/a/b"


@pytest.mark.parametrize("text", ["", "x y z\n", "5 yes\n", "nonsense"])
def test_what_is_no_line_of_a_listing_is_left_out(text: str) -> None:
    assert host_files.parse_dumps(text) == ()


def test_dumps_go_with_their_receipts(shell: Shell) -> None:
    put(shell, "a.dump", "a.dump.json", "it's b.dump", "-rf.dump", "c.dump", "c.dump.json")
    names = ("a.dump", "it's b.dump", "-rf.dump", "gone.dump")
    for _ in range(2):
        done = shell.run(host_files.remove_dumps("backups", names))
        assert done.returncode == 0, done.stderr
    assert listing(shell.folder / "backups") == ["c.dump", "c.dump.json"]


def test_what_killed_runs_left_goes_after_a_day(shell: Shell) -> None:
    put(shell, "old.dump.part", "c.dump")
    (shell.folder / "backups/new.dump.part").touch()
    shell.run(host_files.remove_dumps("backups", ()))
    assert listing(shell.folder / "backups") == ["c.dump", "new.dump.part"]


def test_a_dump_is_measured(shell: Shell) -> None:
    put(shell, "it's.dump", content=b"content")
    done = shell.run(host_files.measure_dump("backups/it's.dump"))
    assert done.stdout.decode().split() == [hashlib.sha256(b"content").hexdigest(), "7"]
    assert shell.run(host_files.measure_dump("backups/nothing.dump")).stdout == b""


def losing(shell: Shell, name: str, script: str) -> str:
    """Return a PATH on which a program of this name is another one, as a broken disk would make it."""
    folder = shell.folder / "broken"
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\nPATH='{shell.path}'\n{script}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{shell.path}"


@pytest.mark.parametrize(
    "script",
    [
        'head -c 100000 > "$2"; cat "$2"; cat',
        'cat > "$2"; cat "$2"; printf x | dd of="$2" conv=notrunc 2>/dev/null',
    ],
    ids=["fewer", "others"],
)
def test_a_disk_that_holds_other_bytes_than_the_stream_is_found_out(shell: Shell, script: str) -> None:
    (shell.folder / "data").write_bytes(b"d" * 300_000)
    path = losing(shell, "tee", script)
    done = shell.run(scripts.dump("backups/x.dump", ("cat", "data")), PATH=path)
    if done.returncode == 0:
        pytest.skip("this shell uses its own tee, whatever the PATH says")
    assert "the disk holds other bytes than were dumped" in done.stderr.decode()
    assert done.stdout == b""
    assert listing(shell.folder / "backups") == []


def test_a_copy_arrives_whole_or_not_at_all(shell: Shell) -> None:
    content = os.urandom(300_000)
    checksum = hashlib.sha256(content).hexdigest()
    path = "copies/prod/it's.dump"
    done = shell.run(scripts.receive(path, len(content), checksum), content)
    assert done.returncode == 0, done.stderr
    assert (shell.folder / path).read_bytes() == content
    assert (shell.folder / path).stat().st_mode & 0o077 == 0
    for sent, said in ((content[:-1], "only 299999 of 300000 bytes"), (bytes(300_000), "another checksum")):
        refused = shell.run(scripts.receive(path, len(content), checksum), sent)
        assert refused.returncode == 1
        assert said in refused.stderr.decode()
    assert (shell.folder / path).read_bytes() == content
    assert listing(shell.folder / "copies/prod") == ["it's.dump"]


# An engine that has some images: it lists each under all its names, and fails where one was asked for that it lacks.
ENGINE = """
if [ "$1 $2" = "image inspect" ]; then
  shift 4; failed=0
  for image; do
    case $image in *there*) printf ' %s  other/name@sha256:0 \\n' "$image" ;; *) failed=1 ;; esac
  done
  exit "$failed"
fi
for word; do printf '<%s>' "$word"; done
"""


@pytest.mark.parametrize(
    ("images", "pulled"),
    [
        ({"web": "r:5/there@sha256:1", "db": "there:2"}, ""),
        ({"web": "r:5/lost@sha256:1", "db": "there:2"}, "<web>"),
        ({"b": "lost:1", "a": "lost:1", "c": "there:1"}, "<a>"),
        ({"a": "lost:1", "b": "lost:2"}, "<a><b>"),
        # What cannot be a reference is left to compose, also where all others are there.
        ({"odd": "$(id) *", "db": "there:2"}, "<odd>"),
        ({"odd": "--help"}, "<odd>"),
        ({}, ""),
    ],
)
def test_only_what_an_engine_lacks_is_pulled(shell: Shell, images: dict[str, str], pulled: str) -> None:
    path = losing(shell, "docker", ENGINE)
    done = shell.run(host_files.pull_missing(images, ("docker", "compose", "pull", "--")), PATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == (f"<compose><pull><-->{pulled}" if pulled else "")
