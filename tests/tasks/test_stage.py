"""A release's files on a server of the lab: whole, or refused by name before anything is in its place."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from blocks.values.manifests import Manifest
from tasks.adapters.git import GitMirror
from tasks.adapters.protocols import Fence
from tasks.errors import RefusedError, TerminalError
from tasks.preflight import check_compose
from tasks.run import Run
from tasks.stage import put_bundle
from tests.flows.domain.samples import NOW, release
from tests.lab.lab import Lab
from tests.lab.server import Server
from tests.tasks.adapters.test_git import Repository
from tests.tasks.database import APP, run_on
from tests.tasks.packing import packed
from tests.tasks.test_starting import Keeper

COMPOSE = "services: {web: {image: postgres:17, volumes: ['./data:/data:ro', './kept:/kept']}}\n"
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    found = lab.servers["staging"]
    found.reset()
    yield found
    found.reset()


@pytest.fixture(scope="module")
def run(server: Server) -> Run:
    found = run_on(server)
    found.hosts[server.name].raise_fence(Fence(APP, 1))
    return replace(found, keeper=cast("Any", Keeper()))


def manifest(number: int, **changes: Any) -> Manifest:
    one = release(id=f"2026112105330{number}-1f3c2ab00000")
    return Manifest(
        release=one,
        environment="prod",
        promotion_id=number,
        previous_release_id=None,
        compose_files=("compose.yaml",),
        services=("web",),
        staged_at=NOW,
        **changes,
    )


def stage(run: Run, of: Manifest, archive: Any, shared: tuple[tuple[str, str], ...] = ()) -> str:
    put_bundle(run, host=run.primary, manifest=of, archive=archive, override="services: {}\n", shared=shared)
    return f"{APP}/releases/{of.release.id}"


def test_what_is_larger_than_any_output_that_is_kept_comes_from_the_commit_to_the_server(
    run: Run, server: Server, tmp_path: Path
) -> None:
    origin = Repository(tmp_path / "origin")
    (origin.path / "data").mkdir()
    names = {"a small": 5, "b large": 66 * MIB, "d empty": 0, "e -'\"\nodd": 100_000}
    for name, size in names.items():
        with (origin.path / "data" / name).open("wb") as file:
            file.truncate(max(0, size - 5))
            file.seek(0, os.SEEK_END)
            file.write(name[:5].encode()[:size])
    (origin.path / "data/link").symlink_to("a small")
    (origin.path / "data/tool").write_text("#!/bin/sh\n")
    (origin.path / "data/tool").chmod(0o755)
    sha = origin.commit("much", **{"compose.yaml": COMPOSE})
    mirror = GitMirror(str(origin.path), tmp_path / "mirror.git")
    mirror.fetch()
    folder = stage(run, manifest(1), mirror.archive(sha, ("compose.yaml", "data")))
    for name, size in names.items():
        path = f"{folder}/data/{name}"
        assert int(server.run(("stat", "-c", "%s", path)).stdout) == size
        with (origin.path / "data" / name).open("rb") as file:
            wanted = hashlib.file_digest(file, "sha256").hexdigest()
        assert server.run(("sha256sum", path)).stdout.lstrip("\\").split()[0] == wanted
    assert server.run(("readlink", f"{folder}/data/link")).stdout.strip() == "a small"
    assert server.run(("stat", "-c", "%a", f"{folder}/data/tool")).stdout.strip() == "755"
    assert server.run(("ls", "-A", folder)).stdout.split() == [
        "compose.yaml",
        "data",
        "manifest.json",
        "sluice.override.yaml",
    ]
    server.run(("rm", "-rf", folder))


def test_what_arrives_as_another_is_refused_by_name_and_the_folder_stays(run: Run, server: Server) -> None:
    folder = stage(run, manifest(2), packed(compose__yaml="", conf="one"))
    archive = packed(conf="two")
    archive.checksums["conf"] = hashlib.sha256(b"three").hexdigest()
    with pytest.raises(
        TerminalError, match=r"releases/.* on staging is not what was sent: conf has another content"
    ):
        stage(run, manifest(2), archive)
    assert server.run(("cat", f"{folder}/conf")).stdout == "one"
    assert len(server.run(("ls", "-A", f"{APP}/releases")).stdout.split()) == 1


def kept(run: Run, number: int) -> tuple[Manifest, str]:
    """Stage a release as an earlier promotion did, and return what the host remembers and its folder."""
    archive = packed({"compose.yaml": COMPOSE, "data/-odd\nname": "d", "kept/state": "k", ".env": "X=1\n"})
    checksums = {path: one for path, one in archive.checksums.items() if path != ".env"}
    of = manifest(number, checksums=checksums, written=("kept",))
    return of, stage(run, of, archive, ((".env", ".env.prod"),))


def check(run: Run, of: Manifest) -> None:
    project = run.project(
        run.primary, release_id=of.release.id, files=of.compose_files, profiles=(), env_file=None
    )
    check_compose.fn(run, host=run.primary, project=project, kept=of)


def test_a_kept_bundle_is_compared_before_it_is_started_again(run: Run, server: Server) -> None:
    of, folder = kept(run, 3)
    # What a container may write to is its own affair, and so is what an earlier version did not write down.
    server.run(("sh", "-c", f"echo more >> {folder}/kept/state; touch {folder}/data/more"))
    check(run, of)
    server.run(("sh", "-c", 'echo other > "$1"', "sh", f"{folder}/data/-odd\nname"))
    with pytest.raises(
        RefusedError, match=r"data/-odd\\nname has another content — put it back, or bring it anew"
    ):
        check(run, of)
    check(run, of.model_copy(update={"written": None}))
    server.run(("rm", f"{folder}/data/-odd\nname"))
    with pytest.raises(RefusedError, match=r"data/-odd\\nname cannot be read"):
        check(run, of)


def test_compose_still_refuses_what_it_cannot_read(run: Run, server: Server) -> None:
    of, folder = kept(run, 4)
    text = "services:\n  web:\n    image: ${NOT_THERE:?}\n"
    server.run(("tee", f"{folder}/compose.yaml"), stdin=text)
    changed = {**of.checksums, "compose.yaml": hashlib.sha256(text.encode()).hexdigest()}
    with pytest.raises(RefusedError, match="compose on staging refuses the configuration.*NOT_THERE"):
        check(run, of.model_copy(update={"checksums": changed}))
