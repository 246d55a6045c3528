"""What is built: bake reads our definition as it read compose's own files, and nothing outside a commit is in it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.host.compose import ComposeProject
from tasks.images.commands.bake import group_targets
from tasks.images.commands.build_definition import Checkouts, build_definition
from tasks.kernel.errors import RefusedError

# Everything bake takes from a build section, and texts that are hard to carry through two languages.
COMPOSE = """
services:
  plain: {build: .}
  front.end:
    build:
      context: ./app
      dockerfile: ../docker/Dockerfile
      target: final
      args: {TEXT: "it's $$x $${y} $$$$z %{if} \\"q\\" \\\\", NONE: , NUMBER: 1, EMPTY: ""}
      labels: {note: "a$$b, c=d"}
      cache_from: [registry.test/cache, "type=registry,ref=registry.test/other"]
      cache_to: ["type=inline"]
      additional_contexts: {base: "docker-image://alpine", more: ./docker}
      shm_size: 128m
      ulimits: {nofile: {soft: 10, hard: 20}}
      tags: ["other:1"]
      secrets: [note]
  inline:
    build: {context: ., dockerfile_inline: "FROM scratch\\nRUN echo $${HOME} %{x}\\n"}
secrets: {note: {file: ./docker/note}}
"""
NOT_CARRIED = {"tags"}


def identity(path: str) -> str:
    return path


def written(targets: dict[str, dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """Bring both spellings of a definition together: absolute paths, sizes as numbers, no names of images."""
    for target in targets.values():
        context = target["context"] = os.path.normpath(folder / target["context"])
        if "dockerfile-inline" in target:
            target.pop("dockerfile")
        else:
            target["dockerfile"] = os.path.normpath(Path(context) / target["dockerfile"])
        if "shm-size" in target:
            target["shm-size"] = target["shm-size"].replace("128MiB", str(128 * 1024 * 1024))
        target["contexts"] = {
            name: told if "://" in told else os.path.normpath(folder / told)
            for name, told in target.get("contexts", {}).items()
        }
        target["secret"] = [
            told.replace("src=docker", f"src={folder}/docker") for told in target.get("secret", [])
        ]
        for key in NOT_CARRIED & set(target):
            target.pop(key)
    return targets


def test_bake_reads_our_definition_as_it_reads_the_compose_file(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "note").write_text("x")
    (tmp_path / "compose.yaml").write_text(COMPOSE)

    def output(argv: tuple[str, ...]) -> dict[str, Any]:
        done = subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, text=True)
        return dict(json.loads(done.stdout))

    project = ComposeProject("x", str(tmp_path), files=(str(tmp_path / "compose.yaml"),))
    config = output(project.config_json())
    ours = build_definition(config, Checkouts(str(tmp_path), str(tmp_path), os.path.realpath), {})
    (tmp_path / "ours.json").write_text(json.dumps(ours))
    names = ("plain", "front_end", "inline")

    def shown(file: str) -> dict[str, Any]:
        read = output(("docker", "buildx", "bake", f"--file={file}", "--print", *names))
        return written(read["target"], tmp_path)

    assert shown("ours.json") == shown("compose.yaml")
    assert {target.name for target in group_targets(ours, config)} == set(names)


def test_a_build_may_use_another_services_image() -> None:
    services = {
        "web": {"build": {"context": "/in", "additional_contexts": {"base": "service:my.base"}}},
        "my.base": {"build": {"context": "/in/base"}},
    }
    found = build_definition({"services": services}, Checkouts("/in", "/out", identity), {})["target"]
    assert found["web"]["contexts"] == {"base": "target:my_base"}
    assert found["my_base"]["context"] == "/out/base"


@pytest.mark.parametrize(
    ("services", "told"),
    [
        (
            {"a.b": {"build": {"context": "/in"}}, "a_b": {"build": {"context": "/in"}}},
            "same build target a_b",
        ),
        (
            {
                "a": {"build": {"context": "/in", "additional_contexts": {"x": "service:b"}}},
                "b": {"image": "x"},
            },
            "asks for service b, which is not built",
        ),
        (
            {"a": {"build": {"context": "/in", "cache_from": ["type=registry,type=local,src=/x"]}}},
            "build.cache_from",
        ),
        ({"a": {"build": {"context": "/in", "cache_from": ["TYPE=LOCAL,src=/x"]}}}, "build.cache_from"),
        ({"a": {"build": {"context": "/in", "cache_to": ['type="local,dest=/x']}}}, "build.cache_to"),
        ({"a": {"build": {"context": "/in", "cache_to": ["dest=/x"]}}}, "build.cache_to"),
        ({"a": {"build": {"context": "/inside"}}}, "build.context asks for /inside, outside the commit"),
        ({"a": {"build": {"context": "-"}}}, "build.context asks for the address -"),
        (
            {"a": {"build": {"context": "/in", "secrets": [{"source": "s"}]}}},
            "build.secrets.s asks for a secret that is kept",
        ),
    ],
)
def test_what_is_refused_is_told(services: dict[str, Any], told: str) -> None:
    with pytest.raises(RefusedError, match=told):
        build_definition({"services": services}, Checkouts("/in", "/out", identity), {})


def test_a_secret_of_the_policy_replaces_the_commits_own() -> None:
    build = {"context": "/in", "secrets": [{"source": "token"}]}
    config = {"services": {"a": {"build": build}}, "secrets": {"token": {"file": "/etc/passwd"}}}
    found = build_definition(config, Checkouts("/in", "/out", identity), {"token": "SECRET_0"})
    assert found["target"]["a"]["secret"] == ["id=token,env=SECRET_0"]


PIECES = [
    "/in",
    "/etc",
    "..",
    ".",
    "a",
    "link",
    "https://x",
    "service:a",
    "docker-image://x",
    "~",
    "cwd:",
    "-",
    "",
    ",src=/etc",
]
PATHS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("/".join)
FAR = {"/out/link": "/etc"}


def real(path: str) -> str:
    """Follow the one link of this commit."""
    path = os.path.normpath(path)
    for link, target in FAR.items():
        if path == link or path.startswith(f"{link}/"):
            return target + path.removeprefix(link)
    return path


@given(context=PATHS, dockerfile=PATHS, named=PATHS, secret=PATHS, cache=PATHS)
def test_no_path_of_a_definition_leads_out(
    context: str, dockerfile: str, named: str, secret: str, cache: str
) -> None:
    build = {
        "context": context,
        "dockerfile": dockerfile,
        "additional_contexts": {"x": named},
        "secrets": ["s"],
        "cache_from": [cache],
    }
    config = {"services": {"a": {"build": build}}, "secrets": {"s": {"file": secret}}}
    try:
        target = build_definition(config, Checkouts("/in", "/out", real), {})["target"]["a"]
    except RefusedError:
        return
    paths = [target["context"], target["dockerfile"], target["secret"][0].strip('"').partition("src=")[2]]
    paths += [
        told for told in target["contexts"].values() if not told.startswith(("docker-image://", "target:"))
    ]
    for path in paths:
        assert f"{real(path)}/".startswith("/out/")
    assert "=" not in "".join(target["cache-from"])
