"""A release's bundle, cut from a real commit."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.values.facts import HostFacts
from flows.promotion.bundle import Bundle, make_bundle, make_manifest
from tasks.git.mirror import GitMirror
from tasks.images.sources import DescribedCommit, Sources
from tasks.kernel.errors import RefusedError
from tests.flows.domain.samples import release
from tests.lab.repository import Repository

COMPOSE = "services: {web: {image: 'nginx:1.26', volumes: ['./conf:/conf:ro', './state:/state']}}\n"


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    found = Repository(tmp_path / "origin")
    (found.path / "compose.yaml").write_text(COMPOSE)
    for folder in ("conf", "state"):
        (found.path / folder).mkdir()
        (found.path / folder / "file").write_text(folder)
    return found


def bundle_of(origin: Repository, tmp_path: Path, *mounts: tuple[str, bool]) -> Bundle:
    """Commit what is there, and cut the bundle of a service with these mounts: path, whether it may be written to."""
    sha = origin.commit("files")
    mirror = GitMirror(str(origin.path), tmp_path / "mirror.git")
    mirror.fetch()
    source = mirror.checkout(sha, tmp_path / "source")
    volumes = [
        {"type": "bind", "source": f"{source}/{path}", "target": "/x", "read_only": not written}
        for path, written in mounts
    ]
    described = DescribedCommit(
        sha=sha,
        compose_files=("compose.yaml",),
        texts={},
        variables={},
        required=(),
        env_files=(),
        tracked=mirror.tracked(sha),
        fixed_images=frozenset({"web"}),
    )
    config = {"services": {"web": {"image": "nginx:1.26", "volumes": volumes}}}
    sources = Sources(described=described, source=source, render=source, config=config)
    one = release(commit=mirror.commit(sha), images=(), third_party={"web": "nginx:1.26"})
    return make_bundle(cast("Any", SimpleNamespace(mirror=mirror)), one, sources)


def test_a_bundle_knows_its_files_by_what_git_has(origin: Repository, tmp_path: Path) -> None:
    (origin.path / "conf/away").symlink_to("/dev/zero")
    (origin.path / "conf/folder").symlink_to("../state")
    (origin.path / "conf/gone").symlink_to("nowhere")
    (origin.path / os.fsdecode(b"conf/caf\xe9")).write_text("coffee")
    bundle = bundle_of(origin, tmp_path, ("conf", False), ("state", True))
    run = cast(
        "Any", SimpleNamespace(environment="prod", promotion_id=1, description=SimpleNamespace(profiles=()))
    )
    manifest = make_manifest(run, release(), bundle, HostFacts(host="web", manifest=None, env_file=None))
    text = type(manifest).from_json(manifest.to_json()).checksums
    assert text["conf/file"] == hashlib.sha256(b"conf").hexdigest()
    # A name that is no text is kept as a host's answer is read.
    assert text["conf/caf\N{REPLACEMENT CHARACTER}"] == hashlib.sha256(b"coffee").hexdigest()
    assert set(text) >= {"compose.yaml", "state/file", "sluice.override.yaml"}
    assert (manifest.written, manifest.images) == (("state",), {"web": "nginx:1.26"})


@pytest.mark.parametrize("name", ["sluice.manifest.json", "sluice.override.yaml/x", ".sluice-files"])
def test_a_file_that_would_be_lost_is_refused(origin: Repository, tmp_path: Path, name: str) -> None:
    place = origin.path / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("the application's own")
    assert bundle_of(origin, tmp_path, ("conf", False)).files
    (tmp_path / "source").rename(tmp_path / "before")
    with pytest.raises(
        RefusedError,
        match=f"{name.partition('/')[0]} in the root of .* has the name of a file that Sluice keeps",
    ):
        bundle_of(origin, tmp_path, (".", True))
