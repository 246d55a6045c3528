"""What is read from what the fact scripts print."""

from __future__ import annotations

import json
from typing import Any

from tasks.host.host_facts import parse_containers, parse_others, parse_readiness


def container(service: str, **changes: Any) -> dict[str, Any]:
    labels = {"com.docker.compose.service": service, "com.docker.compose.oneoff": "False"}
    entry: dict[str, Any] = {
        "Id": f"id-{service}",
        "RestartCount": 2,
        "Config": {"Image": "r/shop/backend@sha256:ab", "Labels": labels},
        "State": {"Status": "running", "ExitCode": 0, "Health": {"Status": "healthy"}},
    }
    return entry | changes


def test_readiness_is_read() -> None:
    text = "\n".join(
        [
            "engine=26.1.5",
            "compose=2.26.1",
            "free=2048",
            "docker_free=1024",
            "flock=yes",
            "ports=shop 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 0.0.0.0:9000-9001->9000-9001/tcp",
            "ports= ",
            "listen=00000000:1F90",
        ]
    )
    facts = parse_readiness(text)
    assert (facts.engine, facts.compose, facts.has_flock) == ("26.1.5", "2.26.1", True)
    assert (facts.free_bytes, facts.docker_free_bytes) == (2048 * 1024, 1024 * 1024)
    assert facts.listening == {8080}
    assert facts.owners == {8080: "shop", 9000: "shop", 9001: "shop"}


def test_an_engine_that_is_down_is_no_engine() -> None:
    facts = parse_readiness("problem=Cannot connect to the Docker daemon\ncompose=\nfree=1\n")
    assert (facts.engine, facts.compose, facts.has_flock) == ("", "", False)
    assert facts.docker_free_bytes is None
    assert facts.problem == "Cannot connect to the Docker daemon"


def test_containers_are_read_and_one_offs_left_out() -> None:
    one_off = container("backend")
    one_off["Config"]["Labels"]["com.docker.compose.oneoff"] = "True"
    plain = container("worker", State={"Status": "exited", "ExitCode": 3})
    found = parse_containers(json.dumps([plain, one_off, container("backend")]))
    assert [(fact.service, fact.status, fact.health, fact.exit_code) for fact in found] == [
        ("backend", "running", "healthy", 0),
        ("worker", "exited", "", 3),
    ]
    assert found[0].restarts == 2


def test_containers_that_are_none_of_the_applications_services_are_told_by_name() -> None:
    found = []
    for name, project, one_off in (
        ("a", "shop", "False"),
        ("b", "shop", "True"),
        ("c", "tools", "False"),
        ("d", "", ""),
    ):
        entry = container("web", Name=f"/{name}")
        labels = {"com.docker.compose.project": project, "com.docker.compose.oneoff": one_off}
        entry["Config"]["Labels"] = labels if project else None
        found.append(json.dumps(entry))
    others = parse_others("\n".join(found), "shop")
    assert [one.service for one in others] == ["b", "c", "d"]


def test_a_container_that_takes_the_place_of_another_is_told() -> None:
    made = container("backend", Name="/0123456789ab_shop-backend-1")
    made["Config"]["Labels"]["com.docker.compose.replace"] = "backend-1"
    plain = container("worker", Name="/shop-worker-1")
    found = parse_containers(json.dumps([made, plain]))
    assert [(fact.name, fact.successor) for fact in found] == [
        ("0123456789ab_shop-backend-1", True),
        ("shop-worker-1", False),
    ]
