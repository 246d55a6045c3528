"""What reads a host for comparison with the ledger: run for real, and read back."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tasks.host.files import parse_files
from tasks.targets.compose.commands.drift import (
    all_containers,
    bundle_files,
    parse_all_containers,
    unrecorded,
)


def run(argv: tuple[str, ...]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_files_of_the_current_bundle_links_and_manifest_left_out(tmp_path: Path) -> None:
    release = tmp_path / "releases" / "r1"
    (release / "ops").mkdir(parents=True)
    names = ["compose.yaml", "ops/-rf", "ops/a b", "ops/back\\slash", "ops/new\nline", "ops/\u2028\x85\x0b"]
    for name in names:
        (release / name).write_text(name)
    (release / "manifest.json").write_text("{}")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "rows").write_text("data")
    (release / "data").symlink_to(tmp_path / "shared")
    (release / ".env").symlink_to(tmp_path / "shared" / "rows")
    (tmp_path / "current").symlink_to("releases/r1")
    found = parse_files(run(bundle_files(str(tmp_path))))
    assert found == {name: hashlib.sha256(name.encode()).hexdigest() for name in names}


def test_without_a_current_release_there_are_no_files(tmp_path: Path) -> None:
    assert parse_files(run(bundle_files(str(tmp_path / "$(touch gone)")))) == {}


def test_only_what_the_ledger_does_not_have_is_listed(tmp_path: Path) -> None:
    for name in ("20261125T031500Z.json", "20261124T031500Z.recorded.json", "notes.txt"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "folder.json").mkdir()
    assert run(unrecorded(str(tmp_path))).split() == ["20261125T031500Z.json"]
    assert run(unrecorded(str(tmp_path / "none"))) == ""
    (tmp_path / "empty").mkdir()
    assert run(unrecorded(str(tmp_path / "empty"))) == ""


def test_containers_are_read() -> None:
    text = (
        "shop-db-1\tpostgres:17\tshop\tdb\tFalse\trunning\tshop_default,backup\n"
        "console\tbusybox\t\t\t\texited\tbridge\n"
        "a line of something else\n"
        "cli\tr/b@sha256:1\tshop\tbackend\tTrue\tpaused\t\n"
    )
    cli, console, database = parse_all_containers(text)
    assert (cli.one_off, cli.running, cli.networks) == (True, True, ())
    assert (console.project, console.running, console.networks) == ("", False, ("bridge",))
    assert (database.service, database.one_off, database.networks) == (
        "db",
        False,
        ("shop_default", "backup"),
    )


def test_the_listing_is_tab_separated() -> None:
    argv = all_containers()
    assert argv[:5] == ("docker", "ps", "--all", "--no-trunc", "--format")
    assert argv[5].count("\t") == 6
    assert '{{.Label "com.docker.compose.oneoff"}}' in argv[5]
