"""A release's files on a server of the lab: whole, or refused by name before anything is in its place."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from blocks.values.lifecycle import Kind
from blocks.values.manifests import Manifest
from blocks.values.offline import LiveRelease
from tasks.git.mirror import GitMirror
from tasks.host.read import read_containers, read_manifest
from tasks.kernel.errors import RefusedError, TerminalError
from tasks.kernel.protocols import Fence
from tasks.release_data.carry import writers
from tasks.services.facts import read_host
from tasks.services.preflight import check_compose
from tasks.steps.run import Run
from tasks.targets.compose.memory import append_live, read_memory
from tasks.targets.compose.old_releases import prune_releases
from tasks.targets.compose.put import put_bundle
from tasks.targets.target.protocol import ReleaseFiles
from tests.fakes.lease import FakeKeeper
from tests.flows.domain import samples
from tests.flows.domain.samples import release
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.samples.runs import APP
from tests.tasks.database.postgres import run_on
from tests.tasks.packing import packed

COMPOSE = "services: {web: {image: postgres:17, volumes: ['./data:/data:ro', './kept:/kept']}}\n"
MIB = 1 << 20


@pytest.fixture(scope="module")
def run(staging: Server) -> Run:
    found = run_on(staging)
    found.hosts[staging.name].raise_fence(Fence(APP, 1))
    return replace(found, keeper=cast("Any", FakeKeeper()))


def manifest(number: int, **changes: Any) -> Manifest:
    one = release(id=f"2026112105330{number}-1f3c2ab00000")
    return samples.manifest(number, release=one, services=("web",), **changes)


def stage(run: Run, of: Manifest, archive: Any, shared: tuple[tuple[str, str], ...] = ()) -> str:
    return put_bundle(run.app(run.primary), of, ReleaseFiles(archive, "services: {}\n", shared))


def test_what_is_larger_than_any_output_that_is_kept_comes_from_the_commit_to_the_server(
    run: Run, staging: Server, tmp_path: Path
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
        assert int(staging.run(("stat", "-c", "%s", path)).stdout) == size
        with (origin.path / "data" / name).open("rb") as file:
            wanted = hashlib.file_digest(file, "sha256").hexdigest()
        assert staging.run(("sha256sum", path)).stdout.lstrip("\\").split()[0] == wanted
    assert staging.run(("readlink", f"{folder}/data/link")).stdout.strip() == "a small"
    assert staging.run(("stat", "-c", "%a", f"{folder}/data/tool")).stdout.strip() == "755"
    assert staging.run(("ls", "-A", folder)).stdout.split() == [
        "compose.yaml",
        "data",
        "sluice.manifest.json",
        "sluice.override.yaml",
    ]
    staging.run(("rm", "-rf", folder))


def test_what_arrives_as_another_is_refused_by_name_and_the_folder_stays(run: Run, staging: Server) -> None:
    first = packed(conf="one")
    folder = stage(run, manifest(2, checksums=first.checksums, links={}), first)
    archive = packed(conf="two")
    archive.checksums["conf"] = hashlib.sha256(b"three").hexdigest()
    with pytest.raises(
        TerminalError, match=r"releases/.* on staging is not what was sent: conf has another content"
    ):
        stage(run, manifest(2), archive)
    assert staging.run(("cat", f"{folder}/conf")).stdout == "one"
    assert len(staging.run(("ls", "-A", f"{APP}/releases")).stdout.split()) == 1


def kept(run: Run, number: int) -> tuple[Manifest, str]:
    """Stage a release as an earlier promotion did, and return what the host remembers and its folder."""
    archive = packed({"compose.yaml": COMPOSE, "data/-odd\nname": "d", "kept/state": "k", ".env": "X=1\n"})
    checksums = {path: one for path, one in archive.checksums.items() if path != ".env"}
    of = manifest(number, checksums=checksums, written=("kept",))
    return of, stage(run, of, archive, ((".env", ".env.prod"),))


def check(run: Run, of: Manifest) -> None:
    check_compose.fn(run, host=run.primary, manifest=of, kept=True)


def test_a_kept_bundle_is_compared_before_it_is_started_again(run: Run, staging: Server) -> None:
    of, folder = kept(run, 3)
    # What a container may write to is its own affair, and so is what an earlier version did not write down.
    staging.run(("sh", "-c", f"echo more >> {folder}/kept/state; touch {folder}/data/more"))
    check(run, of)
    staging.run(("sh", "-c", 'echo other > "$1"', "sh", f"{folder}/data/-odd\nname"))
    with pytest.raises(
        RefusedError, match=r"data/-odd\\nname has another content — restore it, or bring it again"
    ):
        check(run, of)
    check(run, of.model_copy(update={"written": None}))
    staging.run(("rm", f"{folder}/data/-odd\nname"))
    with pytest.raises(RefusedError, match=r"data/-odd\\nname cannot be read"):
        check(run, of)


def test_compose_still_refuses_what_it_cannot_read(run: Run, staging: Server) -> None:
    of, folder = kept(run, 4)
    text = "services:\n  web:\n    image: ${NOT_THERE:?}\n"
    staging.run(("tee", f"{folder}/compose.yaml"), stdin=text)
    changed = {**of.checksums, "compose.yaml": hashlib.sha256(text.encode()).hexdigest()}
    with pytest.raises(RefusedError, match="compose on staging refuses the configuration.*NOT_THERE"):
        check(run, of.model_copy(update={"checksums": changed}))


MOUNTED = {
    "compose.yaml": "services: {web: {image: postgres:17, volumes: ['./data:/data', './manifest.json:/m:ro']}}\n",
    "manifest.json": '{"name": "the application\'s own"}',
    "settings.json": "{}",
    "site/index.html": "from git",
    "data/README": "read me",
    "data/prices.csv": "1",
    os.fsdecode(b"data/caf\xe9"): "coffee",
}


@pytest.fixture
def running(run: Run, staging: Server) -> Iterator[tuple[Manifest, str]]:
    """A release whose container has its folder, a file and a folder of it mounted, and gave some of it a user."""
    staging.run(("rm", "-rf", f"{APP}/releases"))
    archive = packed(MOUNTED)
    checksums = {os.fsencode(path).decode(errors="replace"): one for path, one in archive.checksums.items()}
    of = manifest(5, checksums=checksums, links={}, written=("settings.json", "data"))
    folder = stage(run, of, archive)
    staging.run(("ln", "-sfn", f"releases/{of.release.id}", f"{APP}/current"))
    mounts = [
        f"--volume={APP}/current/{path}"
        for path in ("settings.json:/settings.json", "site:/site:ro", "data:/data")
    ]
    labels = [f"--label=com.docker.compose.{key}" for key in ("project=shop", "service=web", "oneoff=False")]
    started = ("docker", "run", "--detach", "--name=web", *labels, *mounts, "postgres:17", "sleep", "600")
    staging.run(started)
    staging.run(("sh", "-c", f"chown -R 999:999 {APP}/current/data; chmod 775 {APP}/current/data"))
    yield of, folder
    staging.run(("docker", "rm", "--force", "web"))
    staging.run(("sh", "-c", f"cd {APP} && rm -rf current releases settled live.jsonl"))


def in_web(server: Server, script: str) -> str:
    return server.run(("docker", "exec", "--user=root", "web", "sh", "-ec", script)).stdout


def test_putting_a_release_that_runs_in_place_again_leaves_what_is_mounted(
    run: Run, staging: Server, running: tuple[Manifest, str]
) -> None:
    of, folder = running
    staging.run(("sh", "-c", f"echo by hand > {folder}/site/index.html"))
    in_web(staging, 'echo 2 > /data/prices.csv; for one in /data/caf*; do printf more >> "$one"; done')
    stage(run, of, packed(MOUNTED))
    in_web(staging, "echo dark > /settings.json")
    assert staging.run(("cat", f"{folder}/settings.json")).stdout == "dark\n"
    assert in_web(staging, "cat /site/index.html; echo; cat /data/prices.csv /data/caf*") == (
        "from git\n2\ncoffeemore"
    )
    assert staging.run(("stat", "-c", "%u %a", f"{folder}/data")).stdout == "999 775\n"
    assert staging.run(("cat", f"{folder}/manifest.json")).stdout == MOUNTED["manifest.json"]
    staging.run(("sh", "-c", f"chown 999:999 {folder}; echo by hand > {folder}/site/index.html"))
    stage(run, of, packed(MOUNTED))
    assert in_web(staging, "cat /site/index.html /settings.json") == "from gitdark\n"
    assert staging.run(("ls", "-A", f"{APP}/releases")).stdout.split() == [of.release.id]


def test_a_release_whose_manifest_is_gone_is_not_taken_for_none(
    run: Run, staging: Server, running: tuple[Manifest, str]
) -> None:
    of, folder = running
    staging.run(("rm", "-r", "-f", f"{APP}/{run.policy.env_files[0]}"))
    staging.run(("rm", f"{folder}/sluice.manifest.json", f"{folder}/manifest.json"))
    for look in (lambda: read_host.fn(run, run.primary), lambda: stage(run, of, packed(MOUNTED))):
        with pytest.raises(TerminalError, match="current on staging has lost its manifest"):
            look()


def test_a_release_that_an_earlier_version_brought_gets_its_manifest_by_the_new_name(
    run: Run, staging: Server, running: tuple[Manifest, str]
) -> None:
    of, folder = running
    files = {path: text for path, text in MOUNTED.items() if path != "manifest.json"}
    now = of.model_copy(
        update={"checksums": {path: of.checksums[path] for path in of.checksums if path in files}}
    )
    staging.run(("rm", f"{folder}/sluice.manifest.json"))
    staging.run(("tee", f"{folder}/manifest.json"), stdin=now.model_copy(update={"links": None}).to_json())
    stage(run, now, packed(files))
    found = read_manifest(run.hosts[run.primary], APP)
    assert found is not None
    assert found.links == {}
    assert staging.run(("ls", folder)).stdout.split() == sorted(
        ["compose.yaml", "data", "settings.json", "site", "sluice.manifest.json", "sluice.override.yaml"]
    )


def test_data_that_was_moved_aside_is_not_removed_by_retention(run: Run, staging: Server) -> None:
    archive = packed(data__README="r")
    of = manifest(6, checksums=archive.checksums, links={})
    folder = stage(run, of, archive)
    staging.run(("sh", "-c", f"echo order > {folder}/data/orders"))
    stage(run, of, archive)
    for _ in range(2):
        prune_releases(run.app(run.primary), ("none",))
    kept = staging.run(("sh", "-c", f"cat {APP}/releases/{of.release.id}.left-*/data/orders")).stdout
    assert kept == "order\n"
    assert staging.run(("ls", f"{APP}/releases")).stdout.split() != [of.release.id]
    memory = read_memory(run.app(run.primary))
    assert of.release.id not in memory.manifests
    staging.run(("sh", "-c", f"rm -rf {APP}/releases/*"))


def test_only_who_writes_into_the_folder_itself_has_to_stop_for_a_switch(
    run: Run, staging: Server, running: tuple[Manifest, str]
) -> None:
    script = "mkdir -p $0/shared/db; ln -s $0/shared/db $0/current/db; docker rm --force db"
    staging.run(("sh", "-c", f"{script} >/dev/null 2>&1 || true", APP))
    labels = [f"--label=com.docker.compose.{key}" for key in ("project=shop", "service=db", "oneoff=False")]
    mount = f"--volume={APP}/current/db:/db"
    staging.run(("docker", "run", "--detach", "--name=db", *labels, mount, "postgres:17", "sleep", "600"))
    try:
        containers = read_containers(run.hosts[run.primary], run.pipeline)
        assert {one.service for one in containers} == {"db", "web"}
        assert [one.service for one in writers(run.app(run.primary), containers)] == ["web"]
    finally:
        staging.run(("docker", "rm", "--force", "db"))


def test_a_folder_that_a_container_has_mounted_is_not_removed(
    run: Run, staging: Server, running: tuple[Manifest, str]
) -> None:
    of, _ = running
    now = datetime.now(UTC)
    live = {
        "a": now - timedelta(days=2),
        of.release.id: now - timedelta(hours=1),
        "b": now + timedelta(hours=1),
    }
    lines = (LiveRelease(release_id=name, at=at, kind=Kind.PROMOTE) for name, at in live.items())
    append_live(run.app(run.primary), tuple(lines))
    staging.run(("sh", "-c", f"cd {APP}; mkdir releases/a releases/c; ln -sfn releases/c current"))
    staging.run(("sh", "-c", f"mkdir -p {APP}/settled; touch {APP}/settled/a {APP}/settled/{of.release.id}"))
    staging.run(("chown", "-R", "deploy:deploy", f"{APP}/settled"))
    assert prune_releases(run.app(run.primary), ("c",)) == ("a",)
    stage(run, of, packed(MOUNTED))
    assert in_web(staging, "cat /site/index.html") == "from git"
    staging.run(("docker", "kill", "web"))
    assert prune_releases(run.app(run.primary), ("c",)) == (of.release.id,)


def test_a_folder_given_to_another_user_is_replaced(run: Run, staging: Server) -> None:
    archive = packed(data__README="r")
    of = manifest(7, checksums=archive.checksums, links={})
    folder = stage(run, of, archive)
    staging.run(("chown", "-R", "999:999", f"{folder}/data"))
    stage(run, of, archive)
    assert staging.run(("stat", "-c", "%U", f"{folder}/data/README")).stdout == "deploy\n"
    assert staging.run(("ls", "-A", f"{APP}/releases")).stdout.split() == [of.release.id]
    staging.run(("sh", "-c", f"rm -rf {APP}/releases/*"))
