"""Docker command lines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.host import docker
from tasks.kernel.argv import Argv
from tasks.kernel.errors import TerminalError

CONTAINERS = ("docker", "container", "ls", "--all", "--no-trunc", "--format={{json .}}")
CASES: list[tuple[Argv, Argv]] = [
    (docker.inspect("a", "b"), ("docker", "container", "inspect", "a", "b")),
    (
        docker.list_containers({"a.b": "x y", "c": "--d"}),
        (
            "docker",
            "container",
            "ls",
            "--all",
            "--no-trunc",
            "--format={{json .}}",
            "--filter=label=a.b=x y",
            "--filter=label=c=--d",
        ),
    ),
    (docker.remove_container("a"), ("docker", "container", "rm", "--force", "--volumes", "a")),
    (docker.discard_container("a"), ("docker", "container", "rm", "a")),
    (docker.rename_container("a", "b"), ("docker", "container", "rename", "a", "b")),
    (docker.wait_container("a"), ("docker", "container", "wait", "a")),
]


@pytest.mark.parametrize(("argv", "expected"), CASES)
def test_a_command_is_built(argv: Argv, expected: Argv) -> None:
    assert argv == expected


@pytest.mark.parametrize("name", ["", "--all", "-f", "a b", "a;b", "$(id)", "a\n"])
@pytest.mark.parametrize("build", [docker.inspect, docker.remove_container, docker.wait_container])
def test_what_cannot_name_a_container_is_refused(build: Callable[[str], Argv], name: str) -> None:
    with pytest.raises(TerminalError, match="cannot be the name of a container"):
        build(name)
