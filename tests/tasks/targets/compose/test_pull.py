"""Images on a server of the lab: what lies there is not asked for, and what is missing is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from blocks.values.manifests import Manifest
from tasks.kernel.errors import SluiceError
from tasks.kernel.protocols import Fence
from tasks.steps.run import Run
from tasks.targets.compose.pull import _PASSING
from tests.fakes.lease import FakeKeeper
from tests.flows.domain.samples import NOW, manifest, release
from tests.lab.lab import Lab
from tests.lab.server import Server
from tests.samples.runs import APP
from tests.tasks.database.postgres import run_on

PUSH = """
config=$(mktemp -d) && cat > "$config/config.json" || exit 1
for name in one two three; do
  mkdir -p "/tmp/$name" && echo "$name" > "/tmp/$name/file" || exit 1
  tar -c -C /tmp "$name" | docker import - "$1/pull/$name:1" >/dev/null || exit 1
  docker --config "$config" push --quiet "$1/pull/$name:1" >/dev/null || exit 1
  docker image inspect --format '{{index .RepoDigests 0}}' "$1/pull/$name:1" || exit 1
done
"""


@dataclass
class Scene:
    """A server, and three images in the registry."""

    lab: Lab
    server: Server
    run: Run
    images: tuple[str, ...]

    def stage(self, number: int, *, remembers: bool = True, **services: str) -> Manifest:
        """Put a release on the server: service → image."""
        one = release(id=f"2026112105330{number}-1f3c2ab00000")
        text = json.dumps({"services": {name: {"image": image} for name, image in services.items()}})
        of = manifest(
            number,
            release=one,
            services=tuple(sorted(services)),
            images=services if remembers else {},
            staged_at=NOW + timedelta(minutes=number),
        )
        there, folder = self.run.hosts[self.run.primary], f"{APP}/releases/{one.id}"
        there.write_file(f"{folder}/compose.yaml", text.encode())
        there.write_file(f"{folder}/sluice.manifest.json", of.to_json().encode())
        return of

    def pull(self, manifest: Manifest, *, only_written: bool = False) -> None:
        self.run.target(self.run.primary).pull(manifest, only_written=only_written)

    def remove(self, *images: str) -> None:
        self.server.run(("docker", "image", "rm", "--force", *images), check=False)

    @contextmanager
    def registry_down(self) -> Iterator[None]:
        self.lab.registry.stop()
        try:
            yield
        finally:
            self.lab.registry.start()


@pytest.fixture(scope="module")
def scene(lab: Lab) -> Iterator[Scene]:
    server, registry = lab.servers["staging"], lab.registry
    server.reset()
    pushed = server.run(("sh", "-c", PUSH, "push", registry.address), stdin=registry.docker_config())
    run = run_on(server)
    run.hosts[server.name].raise_fence(Fence(APP, 1))
    run = replace(run, keeper=cast("Any", FakeKeeper()), registry_login=registry.docker_config())
    found = Scene(lab, server, run, tuple(pushed.stdout.split()))
    yield found
    tags = (image.partition("@")[0] + ":1" for image in found.images)
    found.remove(*found.images, *tags)
    server.reset()


@pytest.mark.parametrize(
    "said",
    [
        'Get "http://registry:5000/v2/": context deadline exceeded',
        'Get "http://registry:5000/v2/": dial tcp 10.0.0.2:5000: connect: no route to host',
        'Get "https://registry/v2/": dial tcp 10.0.0.2:443: connect: network is unreachable',
        'Get "https://registry/v2/": dial tcp 10.0.0.2:443: i/o timeout',
    ],
)
def test_a_registry_that_is_away_may_be_tried_again(said: str) -> None:
    """As the engine said it where the registry was stopped, and where its packets were dropped."""
    assert _PASSING.search(said)


@pytest.mark.parametrize("remembers", [True, False], ids=["manifest", "manifest of an earlier version"])
def test_what_lies_on_the_host_is_not_asked_for(scene: Scene, *, remembers: bool) -> None:
    one, two, _ = scene.images
    staged = scene.stage(1, remembers=remembers, web=one, worker=one, db=two)
    scene.pull(staged)
    with scene.registry_down():
        scene.pull(staged)


def test_only_what_is_missing_is_pulled(scene: Scene) -> None:
    one, two, three = scene.images
    # The registry never had it, so the pull fails where it is asked for it.
    local = f"{scene.lab.registry.address}/pull/local:latest"
    scene.pull(scene.stage(2, web=one, cache=three))
    scene.server.run(("docker", "tag", one, local))
    scene.remove(two, two.partition("@")[0] + ":1")
    scene.pull(scene.stage(2, web=local, db=two, cache=three))
    assert scene.server.run(("docker", "image", "inspect", "--format", "x", two)).stdout == "x\n"
    scene.remove(local)


def test_before_approval_no_part_of_a_name_comes_from_the_env_file(scene: Scene) -> None:
    one, two, _ = scene.images
    manifest = scene.stage(6, remembers=False, web=one, db=two)
    scene.remove(*scene.images, *(image.partition("@")[0] + ":1" for image in scene.images))
    examples = manifest.release.model_copy(update={"third_party": {"db": two, "web": "app:example"}})
    told = manifest.model_copy(update={"release": examples})
    scene.pull(told, only_written=True)
    there = scene.server.run(("docker", "image", "ls", "--digests", "--format", "{{.Repository}}")).stdout
    assert "/pull/two" in there
    assert "/pull/one" not in there
    scene.pull(told)
    assert scene.server.run(("docker", "image", "inspect", "--format", "x", one)).stdout == "x\n"


def test_a_missing_image_is_named_with_what_starts_without_the_registry(scene: Scene) -> None:
    one, two, _ = scene.images
    whole = scene.stage(3, web=one, db=two)
    scene.pull(whole)
    never = f"{scene.lab.registry.address}/pull/one@sha256:{'0' * 64}"
    lacking = scene.stage(4, web=one, db=two, cache=never)
    with pytest.raises(SluiceError) as error:
        scene.pull(lacking)
    said = str(error.value)
    assert f"staging cannot pull {never}:" in said
    assert f"`sluice rollback prod --offline --release {whole.release.id}`" in said


def test_where_nothing_else_starts_it_says_so(scene: Scene) -> None:
    scene.server.run(("sh", "-c", f"rm -rf {APP}/releases/*"))
    lacking = scene.stage(5, web=f"{scene.lab.registry.address}/pull/never:1")
    with pytest.raises(SluiceError, match="rollback --offline` does not help either"):
        scene.pull(lacking)
