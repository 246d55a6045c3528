"""Which services are well after a switch."""

from __future__ import annotations

import pytest

from blocks.values.facts import ContainerFact
from tasks.targets.target.health import ailing, not_running


def fact(**changes: object) -> ContainerFact:
    return ContainerFact.model_validate(
        {"id": "new", "service": "web", "image": "i", "status": "running", "health": "healthy"} | changes
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "restarting", "exit_code": 1}, "web keeps restarting (exit status 1)"),
        ({"restarts": 1, "health": ""}, "web keeps restarting"),
        ({"status": "exited", "exit_code": 137}, "web ended with status 137"),
        ({"status": "exited", "health": "unhealthy"}, "web ended with status 0"),
        ({"health": "unhealthy"}, "web is unhealthy"),
        ({"health": "starting"}, "web did not become healthy"),
    ],
)
def test_what_is_not_well_is_named(changes: dict[str, object], said: str) -> None:
    found = ailing((fact(**changes),), ("web",), {})
    assert len(found) == 1
    assert found[0].startswith(said)


def test_what_may_still_become_healthy_is_waited_for() -> None:
    assert ailing((fact(health="starting"),), ("web",), {}, patient=True) == ()
    assert ailing((fact(health="unhealthy"),), ("web",), {}, patient=True) != ()


def test_what_is_well_is_not_named() -> None:
    done = fact(service="setup", status="exited", health="", exit_code=0)
    assert ailing((fact(), done), ("web", "setup"), {}) == ()


def test_restarts_from_before_the_switch_do_not_count() -> None:
    old = fact(id="old", restarts=3)
    assert ailing((old,), ("web",), {"old": 3}) == ()
    assert ailing((old,), ("web",), {"old": 2}) != ()


def test_a_service_without_container_is_named() -> None:
    assert ailing((), ("web",), {}) == ("web has no container",)


def test_what_no_longer_runs_is_told_by_service() -> None:
    containers = (
        fact(),
        fact(id="2", service="db", status="exited"),
        fact(id="3", service="db", status="running"),
        fact(id="4", service="worker", status="exited"),
    )
    assert not_running(containers, ("web", "db", "worker", "cron")) == ("worker", "cron")
