"""What is built, by which services it is run, and the commands that build it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tasks.host.compose import ComposeProject
from tasks.images.commands.bake import BuildTarget, bake, group_targets, target_name
from tasks.kernel.errors import TerminalError


def grouped(targets: dict[str, Any], services: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    found = group_targets({"target": targets}, {"services": services})
    return {target.name: target.services for target in found}


BACKEND = {"context": "backend", "dockerfile": "Dockerfile"}


@pytest.mark.parametrize(
    ("targets", "services", "expected"),
    [
        ({}, {"db": {"image": "postgres:17"}}, {}),
        ({"web": BACKEND}, {"web": {"build": {}}}, {"web": ("web",)}),
        (
            {"worker": BACKEND, "backend": {**BACKEND, "tags": ["x"], "cache-from": ["y"], "output": ["z"]}},
            {"worker": {"build": {}}, "backend": {"build": {}}},
            {"backend": ("backend", "worker")},
        ),
        (
            {"a": BACKEND, "b": {**BACKEND, "target": "dev"}, "c": {**BACKEND, "args": {"X": "1"}}},
            {"a": {"build": {}}, "b": {"build": {}}, "c": {"build": {}}},
            {"a": ("a",), "b": ("b",), "c": ("c",)},
        ),
        (
            {"backend": BACKEND},
            {
                "backend": {"build": {}, "image": "shop:1"},
                "worker": {"image": "shop:1"},
                "db": {"image": "pg"},
            },
            {"backend": ("backend", "worker")},
        ),
        (
            {"a": BACKEND, "b": BACKEND},
            {"a": {"build": {}, "image": "one"}, "b": {"build": {}, "image": "two"}, "c": {"image": "two"}},
            {"a": ("a", "b", "c")},
        ),
        ({"my_app": BACKEND}, {"my.app": {"build": {}}}, {"my_app": ("my.app",)}),
        ({"web": BACKEND, "debug": BACKEND}, {"web": {"build": {}}}, {"web": ("web",)}),
        ({"web": BACKEND}, {"web": {"build": {}}, "none": {}}, {"web": ("web",)}),
    ],
    ids=[
        "nothing built",
        "one",
        "shared",
        "different",
        "by image",
        "by either image",
        "dot",
        "profile off",
        "no image",
    ],
)
def test_services_with_equal_builds_share_an_image(
    targets: dict[str, Any], services: dict[str, Any], expected: dict[str, tuple[str, ...]]
) -> None:
    assert grouped(targets, services) == expected


def test_a_build_that_bake_does_not_list_is_told() -> None:
    with pytest.raises(TerminalError, match="service web has a build section"):
        grouped({}, {"web": {"build": {}}})


def test_the_order_of_keys_makes_no_difference() -> None:
    turned = dict(reversed(BACKEND.items()))
    assert grouped({"a": BACKEND, "b": turned}, {"b": {"build": {}}, "a": {"build": {}}}) == {"a": ("a", "b")}


@pytest.mark.parametrize(
    ("name", "path"),
    [("backend", "backend"), ("My_App", "my-app"), ("a__b", "a-b"), ("_x_", "x"), ("---", "image")],
)
def test_a_target_has_a_name_a_registry_takes(name: str, path: str) -> None:
    assert BuildTarget(name, ()).path == path


def test_the_command_names_what_the_images_get() -> None:
    argv = bake(
        "a.json",
        {"web": "r/web:1", "job": "r/job:1"},
        labels={"org.opencontainers.image.revision": "abc", "b": "x,y=z"},
        args={"MODE": "it's"},
        platforms=("linux/arm64", "linux/amd64"),
    )
    assert argv[:6] == ("docker", "buildx", "bake", "--file=a.json", "--load", "--progress=plain")
    assert {"--set=web.tags=r/web:1", "--set=job.tags=r/job:1", "--set=job.args.MODE=it's"} <= set(argv)
    assert {"--set=web.platform=linux/arm64", "--set=web.platform=linux/amd64"} <= set(argv)
    assert "--set=web.labels.org.opencontainers.image.revision=abc" in argv
    assert "--set=job.labels.b=x,y=z" in argv
    assert argv[-2:] == ("web", "job")


@pytest.mark.parametrize("target", ["", "--push", "-x", "a b", "$(id)"])
def test_what_cannot_name_a_target_is_refused(target: str) -> None:
    with pytest.raises(TerminalError, match="build target"):
        bake("a.json", {target: "r/web:1"}, labels={}, args={}, platforms=())


COMPOSE = """
services:
  backend: {build: ./backend, image: "shop-backend:latest"}
  worker: {build: {context: ./backend}, command: worker}
  scheduler: {image: "shop-backend:latest"}
  front.end: {build: {context: ./front, args: {MODE: "${MODE:?}"}, target: final}}
  debug: {build: ./front, profiles: [debug]}
  db: {image: "postgres:17"}
"""


def test_real_compose_and_bake_are_understood(tmp_path: Path) -> None:
    for folder in ("backend", "front"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Dockerfile").write_text("FROM scratch AS final\nCOPY Dockerfile /\n")
    (tmp_path / "compose.yml").write_text(COMPOSE)
    project = ComposeProject("shop", str(tmp_path), files=(str(tmp_path / "compose.yml"),))

    def output(argv: tuple[str, ...]) -> dict[str, Any]:
        environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path), "MODE": "it's $x"}
        done = subprocess.run(argv, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        return dict(json.loads(done.stdout))

    shown = ("docker", "buildx", "bake", "--file=compose.yml", "--print")
    found = group_targets(output(shown), output(project.config_json()))
    assert {target.name: target.services for target in found} == {
        "backend": ("backend", "scheduler", "worker"),
        target_name("front.end"): ("front.end",),
    }
