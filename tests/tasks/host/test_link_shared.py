"""Data folders are linked into a bundle, and nothing that lies behind a link is removed or replaced."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tasks.host.files import link_shared


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "shared/data/sub").mkdir(parents=True)
    (tmp_path / "shared/data/sub/live").write_text("live")
    (tmp_path / "releases/one").mkdir(parents=True)
    return tmp_path / "releases/one"


def link(bundle: Path, *paths: str) -> subprocess.CompletedProcess[str]:
    argv = link_shared(
        str(bundle.parent.parent), str(bundle), tuple((path, f"shared/{path}") for path in paths)
    )
    return subprocess.run(argv, check=False, capture_output=True, text=True)


def test_a_folder_within_another_one_keeps_what_is_in_it(bundle: Path) -> None:
    for _ in range(2):
        assert link(bundle, "data", "data/new/one", "data/sub", "more/deep").returncode == 0
    assert (bundle / "data/sub/live").read_text() == "live"
    assert (bundle / "data/new/one").is_dir()
    assert (bundle / "more/deep").is_symlink()


def test_nothing_is_put_behind_a_link_of_the_commit(bundle: Path) -> None:
    (bundle / "way").symlink_to("../../shared/data")
    done = link(bundle, "way/sub")
    assert done.returncode == 1
    assert "way is a link, so nothing is put behind it" in done.stderr
    assert (bundle / "way/sub/live").read_text() == "live"
    assert not (bundle / "way/sub").is_symlink()
