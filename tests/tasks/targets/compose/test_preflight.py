"""What the preflight makes of what it reads."""

from __future__ import annotations

import pytest

from blocks.values.facts import Readiness
from tasks.targets.compose.preflight import problems_of, version_of

GIB = 1024**3


def ready(**changes: object) -> Readiness:
    facts = {"engine": "26.1.5", "compose": "2.26.1", "free_bytes": 9 * GIB, "docker_free_bytes": 9 * GIB}
    return Readiness.model_validate(facts | changes)


def problems(facts: Readiness, ports: frozenset[int] = frozenset()) -> tuple[str, ...]:
    return problems_of(facts, host="web", pipeline="shop", ports=ports, needed_bytes=GIB)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2.26.1", (2, 26, 1)),
        ("v2.26.1-ds1", (2, 26, 1)),
        ("2.24.0-desktop.1", (2, 24, 0)),
        ("", ()),
        ("dev", ()),
    ],
)
def test_versions_are_read(text: str, numbers: tuple[int, ...]) -> None:
    assert version_of(text) == numbers


def test_a_ready_host_has_no_problem() -> None:
    assert problems(ready(), frozenset({80})) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"engine": "", "problem": "Cannot connect"},
            "Docker engine of web does not answer (Cannot connect)",
        ),
        ({"compose": "2.23.9"}, "web has Docker Compose 2.23.9: install 2.24 or newer"),
        ({"compose": ""}, "web has Docker Compose none"),
        ({"has_flock": False}, "web has no flock"),
        ({"free_bytes": GIB - 1}, "1023 MiB free for the application"),
        ({"docker_free_bytes": 0}, "0 MiB free for Docker"),
    ],
)
def test_each_lack_is_named_with_its_mend(changes: dict[str, object], said: str) -> None:
    found = problems(ready(**changes))
    assert len(found) == 1
    assert said in found[0]


def test_a_port_of_its_own_containers_is_free() -> None:
    facts = ready(listening=frozenset({80, 81, 82}), owners={80: "shop", 81: "blog"})
    found = problems(facts, frozenset({80, 81, 82, 83}))
    assert found == (
        "port 81 of web is taken by the compose project blog: stop it, or publish another port",
        "port 82 of web is taken by another program: stop it, publish another port, or, where only docker-proxy "
        "has it, restart the Docker engine",
    )
