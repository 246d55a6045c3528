"""A switch that was cut in the middle is brought to its end, by a real compose on a server of the lab."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from blocks.values.manifests import Manifest
from tasks.host.read import read_containers
from tasks.host.replace import half_replaced
from tasks.kernel.protocols import Call, Fence
from tasks.steps.run import Run
from tasks.targets.compose.start import start
from tests.fakes.lease import FakeKeeper
from tests.flows.domain.samples import NOW, release
from tests.lab.server import Server
from tests.samples.runs import APP
from tests.tasks.database.postgres import run_on

# It ends long after it was asked to, so that there is time to cut the compose that waits for it.
COMPOSE = """
x-slow: &slow
  image: postgres:17
  command: [sh, -c, "trap : TERM INT; while :; do sleep 1; done"]
  environment: {{RELEASE: {release}}}
  volumes: [/kept]
  stop_grace_period: 600s
services:
  one: *slow
  two: *slow
"""
SERVICES = ("one", "two")
NAMES = {"shop-one-1", "shop-two-1"}
PATIENCE_SECONDS = 300


@pytest.fixture(autouse=True)
def _nothing_is_left(prod: Server) -> Iterator[None]:
    yield
    # What does not end when it is asked to would take its time.
    prod.kill_containers()
    prod.reset()


@pytest.fixture
def run(prod: Server) -> Run:
    found = run_on(prod)
    found.hosts["prod"].raise_fence(Fence(APP, 1))
    return replace(found, keeper=cast("Any", FakeKeeper()))


def manifest(name: str, services: tuple[str, ...], depended_on: tuple[str, ...] = ()) -> Manifest:
    return Manifest(
        release=release(id=name),
        environment="prod",
        promotion_id=1,
        previous_release_id=None,
        compose_files=("compose.yaml",),
        services=services,
        depended_on=depended_on,
        staged_at=NOW,
    )


def put(run: Run, name: str) -> Manifest:
    """Put a release's compose file in place."""
    run.hosts["prod"].write_file(f"{APP}/releases/{name}/compose.yaml", COMPOSE.format(release=name).encode())
    return manifest(name, SERVICES)


def switch(run: Run, name: str) -> None:
    start(run.app("prod"), put(run, name))


def cut_while_it_replaces(run: Run, server: Server, name: str) -> None:
    """Start a release, and kill the compose that does so while it waits for the containers before to stop."""

    def begin() -> None:
        found = replace(run, hosts=run_on(server).hosts)
        app = found.app("prod")
        argv = app.project(put(found, name), current=True).up()
        app.change(("ln", "-sfn", f"releases/{name}", f"{APP}/current"), seconds=60)
        app.change(argv, seconds=PATIENCE_SECONDS)

    compose = threading.Thread(target=begin)
    compose.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(half_replaced(read_containers(run.hosts["prod"], "shop"))) < len(SERVICES):
        assert time.monotonic() < deadline, "compose did not begin to replace the containers"
        time.sleep(0.1)
    server.run(("pkill", "-KILL", "-f", "docker-compose|docker compose"))
    compose.join()


def names(server: Server, *options: str) -> set[str]:
    return set(server.run(("docker", "ps", *options, "--format", "{{.Names}}")).stdout.split())


def releases(server: Server) -> list[str]:
    script = "docker exec shop-one-1 printenv RELEASE; docker exec shop-two-1 printenv RELEASE"
    return server.run(("sh", "-c", script)).stdout.split()


def mark(server: Server, text: str) -> None:
    """Write into the anonymous volume of one service."""
    server.run(("docker", "exec", "shop-one-1", "sh", "-c", f"echo {text} > /kept/mark"))


def marked(server: Server) -> str:
    return server.run(("docker", "exec", "shop-one-1", "cat", "/kept/mark")).stdout.strip()


def end(server: Server, *containers: str) -> None:
    """End what does not listen when it is asked to stop, as the engine does when its patience is over."""
    server.run(("docker", "kill", *containers))


@pytest.mark.parametrize(
    "gone", [False, True], ids=["the one before is stopped", "the one before is removed"]
)
def test_containers_that_were_half_replaced_are_replaced(run: Run, prod: Server, gone: bool) -> None:
    switch(run, "r1")
    mark(prod, "old")
    cut_while_it_replaces(run, prod, "r2")
    end(prod, *NAMES)
    if gone:
        prod.run(("docker", "rm", *NAMES))
    assert len(half_replaced(read_containers(run.hosts["prod"], "shop"))) == len(SERVICES)

    switch(run, "r2")

    assert names(prod, "--all") == names(prod) == NAMES
    assert releases(prod) == ["r2", "r2"]
    assert marked(prod) == "old"


def test_the_release_before_comes_back_from_a_half_replaced_one(run: Run, prod: Server) -> None:
    switch(run, "r1")
    cut_while_it_replaces(run, prod, "r2")
    end(prod, *NAMES)

    switch(run, "r1")

    assert names(prod, "--all") == names(prod) == NAMES
    assert releases(prod) == ["r1", "r1"]
    there = run.hosts["prod"]
    assert there.run(Call(("readlink", f"{APP}/current"))).stdout.strip() == "releases/r1"


# A database that is well, and what needs it, of which one does its work and ends: only these change from release to
# release.
NEEDED = """
services:
  base:
    image: postgres:17
    command: [sleep, infinity]
    init: true
    environment: {{VERSION: {base}}}
    healthcheck: {{test: ["CMD", "test", "!", "-e", "/tmp/sick"], interval: 1s, retries: 1}}
  needs:
    image: postgres:17
    command: [sleep, infinity]
    init: true
    environment: {{RELEASE: {release}}}
    depends_on: {{base: {{condition: service_healthy}}}}
  once:
    image: postgres:17
    command: ["true"]
    environment: {{RELEASE: {release}}}
    depends_on: [base]
"""


def bring_up(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, base: str) -> tuple[bool, dict[str, str]]:
    """Start a release; return whether what others need was left out, and service → container."""
    there = run.hosts["prod"]
    text = NEEDED.format(release=name, base=base)
    there.write_file(f"{APP}/releases/{name}/compose.yaml", text.encode())
    coming = manifest(name, ("base", "needs", "once"), ("base",))
    calls: list[tuple[str, ...]] = []
    original = there.run

    def watched(call: Call, *rest: Any, **more: Any) -> Any:
        calls.append(call.argv)
        return original(call, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(there, "run", watched)
        start(run.app("prod"), coming)
    (up,) = [argv for argv in calls if "up" in argv and "--no-start" not in argv]
    alone = "--no-deps" in up
    assert alone == (up[-2:] == ("needs", "once"))
    found = {one.service: one.id for one in read_containers(there, "shop")}
    # Whoever types `docker compose up` on the host afterwards changes nothing.
    typed = run.app("prod").project(coming, current=True)
    assert there.run(Call(typed.create())).ok
    assert {one.service: one.id for one in read_containers(there, "shop")} == found
    return alone, found


def test_what_others_need_is_left_alone_only_where_compose_would(
    run: Run, prod: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, first = bring_up(run, monkeypatch, "r1", "1")
    assert not alone

    alone, second = bring_up(run, monkeypatch, "r2", "1")
    assert alone
    assert second["base"] == first["base"]
    assert second["needs"] != first["needs"]

    alone, third = bring_up(run, monkeypatch, "r3", "2")
    assert not alone
    assert third["base"] != second["base"]

    prod.run(("docker", "stop", "shop-base-1"))
    alone, fourth = bring_up(run, monkeypatch, "r4", "2")
    assert not alone
    assert fourth["base"] == third["base"]
    assert names(prod) == {"shop-base-1", "shop-needs-1"}


def test_a_host_looks_itself_whether_what_starts_is_well(prod: Server) -> None:
    there = run_on(prod).hosts["prod"]
    labels = [f"com.docker.compose.{key}" for key in ("project=looks", "service=one", "oneoff=False")]
    marks = [word for label in labels for word in ("--label", label)]
    health = ("--health-cmd=test -e /tmp/well", "--health-interval=1s", "--health-retries=1000")
    asleep = ("postgres:17", "sleep", "600")
    prod.run(("docker", "run", "--detach", "--name=looks", *marks, *health, *asleep))

    def seen(looks: int) -> list[str]:
        return [one.health for one in read_containers(there, "looks", looks=looks)]

    assert seen(0) == ["starting"]
    assert seen(3) == ["starting"]
    prod.run(("docker", "exec", "looks", "touch", "/tmp/well"))
    # It answers as soon as it is so, and not only when it has looked that often.
    assert seen(10_000) == ["healthy"]
    assert seen(10_000) == ["healthy"]
    prod.run(("docker", "rm", "--force", "looks"))
    assert seen(10) == []
