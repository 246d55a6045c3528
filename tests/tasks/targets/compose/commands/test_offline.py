"""The scripts of what a host remembers, run for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.values.lifecycle import Kind
from blocks.values.offline import LIVE_FILE, LiveRelease
from tasks.host.scripts import EXIT_MISSING
from tasks.kernel.argv import Argv
from tasks.targets.compose.commands.offline import parse_survey, remember, survey
from tests.flows.domain.rollback.test_offline import manifest
from tests.flows.domain.samples import NOW

SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return SHELLS[request.param]


def run(shell: tuple[str, ...], argv: Argv, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run((*shell, *argv[1:]), input=stdin, capture_output=True, timeout=60, check=False)


def line(name: str, number: int) -> LiveRelease:
    return LiveRelease(release_id=name, at=NOW, kind=Kind.PROMOTE, promotion_id=number)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An application's directory with two releases; its name needs quoting."""
    folder = tmp_path / "it's $HOME"
    for one in (manifest("aaaa", "m1"), manifest("bbbb", "m1", minute=1)):
        place = folder / "releases" / one.release.id
        place.mkdir(parents=True)
        (place / "manifest.json").write_text(one.to_json())
    (folder / "releases" / ".half").mkdir()
    (folder / "current").symlink_to("releases/bbbb")
    (folder / "fence").write_text("1764\n")
    return folder


def test_a_host_tells_all_it_remembers(shell: tuple[str, ...], directory: Path) -> None:
    for number, name in enumerate(("aaaa", "bbbb"), 1):
        stdin = f"{line(name, number).to_json()}\n".encode()
        assert run(shell, remember(str(directory)), stdin).returncode == 0
    found = parse_survey(run(shell, survey(str(directory))).stdout.decode())
    assert (found.current, found.fence, found.unread) == ("bbbb", 1764, ())
    assert found.live == (line("aaaa", 1), line("bbbb", 2))
    assert set(found.manifests) == {"aaaa", "bbbb"}


def test_a_line_cut_short_hides_no_other(shell: tuple[str, ...], directory: Path) -> None:
    (directory / LIVE_FILE).write_text(line("aaaa", 1).to_json() + "\n" + line("bbbb", 2).to_json()[:30])
    run(shell, remember(str(directory)), f"{line('bbbb', 3).to_json()}\n".encode())
    found = parse_survey(run(shell, survey(str(directory))).stdout.decode())
    assert found.live == (line("aaaa", 1), line("bbbb", 3))
    assert "incomplete" in found.unread[0]


def test_a_manifest_changed_by_hand_is_named(shell: tuple[str, ...], directory: Path) -> None:
    (directory / "releases/aaaa/manifest.json").write_text("{}")
    found = parse_survey(run(shell, survey(str(directory))).stdout.decode())
    assert (set(found.manifests), len(found.unread)) == ({"bbbb"}, 1)


def test_what_was_moved_aside_is_no_release_and_an_applications_manifest_is_none(
    shell: tuple[str, ...], directory: Path
) -> None:
    (directory / "releases/aaaa").rename(directory / "releases/aaaa.left-20261121T053300Z")
    new = directory / "releases/bbbb"
    (new / "manifest.json").rename(new / "sluice.manifest.json")
    (new / "manifest.json").write_text("{}\ncurrent=other\n")
    found = parse_survey(run(shell, survey(str(directory))).stdout.decode())
    assert (set(found.manifests), found.unread, found.current) == ({"bbbb"}, (), "bbbb")


def test_a_host_where_nothing_ever_was(shell: tuple[str, ...], tmp_path: Path) -> None:
    assert run(shell, survey(str(tmp_path / "none"))).returncode == EXIT_MISSING
    assert parse_survey(run(shell, survey(str(tmp_path))).stdout.decode()).current is None


def test_what_a_commit_is_called_takes_no_release_from_a_host(
    shell: tuple[str, ...], directory: Path
) -> None:
    one = manifest("aaaa", "m1")
    commit = one.release.commit.model_copy(update={"subject": "a\u2028manifest={}\x85b"})
    odd = one.model_copy(update={"release": one.release.model_copy(update={"commit": commit})})
    (directory / "releases/aaaa/manifest.json").write_text(odd.to_json())
    found = parse_survey(run(shell, survey(str(directory))).stdout.decode())
    assert (found.manifests["aaaa"], found.unread) == (odd, ())
