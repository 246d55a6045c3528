"""Compose command lines: each word in its place, and no value ever taken for an option."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tasks.host.compose import ComposeProject, leaves_alone, parse_config
from tasks.kernel.argv import Argv
from tasks.kernel.errors import TerminalError

BARE = ComposeProject("shop", "/srv/shop")
FULL = ComposeProject(
    "shop",
    "/srv/it's shop/current",
    env_file="/srv/shop/.env.prod",
    files=("/srv/a.yml", "/srv/b.yml"),
    profiles=("web", "jobs"),
)
RUN = ("run", "--rm", "--no-TTY", "--quiet-pull")
START = ("docker", "compose", "--ansi=never", "--progress=plain", "--project-name=shop")


def test_a_project_without_env_file_reads_none() -> None:
    assert BARE.argv("ps") == (*START, "--project-directory=/srv/shop", "--env-file=/dev/null", "ps")


def test_everything_a_project_has_is_given() -> None:
    assert FULL.argv("ps") == (
        *START,
        "--project-directory=/srv/it's shop/current",
        "--env-file=/srv/shop/.env.prod",
        "--file=/srv/a.yml",
        "--file=/srv/b.yml",
        "--profile=web",
        "--profile=jobs",
        "ps",
    )


CASES: list[tuple[str, Callable[[ComposeProject], Argv], Argv]] = [
    ("config", lambda p: p.config_json(), ("config", "--format=json")),
    ("pull", lambda p: p.pull(), ("pull", "--policy=missing")),
    ("pull some", lambda p: p.pull("a", "b"), ("pull", "--policy=missing", "a", "b")),
    ("up", lambda p: p.up(), ("up", "--detach", "--no-build", "--pull=never", "--remove-orphans")),
    (
        "create",
        lambda p: p.create(),
        ("up", "--no-start", "--no-build", "--pull=never", "--remove-orphans"),
    ),
    (
        "up as it is",
        lambda p: p.up("web", no_deps=True, recreate=False, remove_orphans=False),
        ("up", "--detach", "--no-build", "--pull=never", "--no-deps", "--no-recreate", "web"),
    ),
    (
        "run",
        lambda p: p.run_once("backend", ("alembic", "upgrade", "head"), name="shop-migrate-7"),
        (
            "run",
            "--rm",
            "--no-TTY",
            "--quiet-pull",
            "--name=shop-migrate-7",
            "backend",
            "alembic",
            "upgrade",
            "head",
        ),
    ),
    (
        "run apart",
        lambda p: p.run_once("b", ("--help", "; rm"), name="n", no_deps=True, env={"A": "$(x)"}),
        (
            "run",
            "--rm",
            "--no-TTY",
            "--quiet-pull",
            "--name=n",
            "--no-deps",
            "--env=A=$(x)",
            "b",
            "--help",
            "; rm",
        ),
    ),
    ("stop", lambda p: p.stop("web"), ("stop", "web")),
]


@pytest.mark.parametrize(("build", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_command_is_built(build: Callable[[ComposeProject], Argv], expected: Argv) -> None:
    assert build(FULL) == FULL.argv(*expected)


@pytest.mark.parametrize("service", ["", "--help", "-f", "a b", "a/b", "$(id)", "a\n", "a;b", "ü"])
@pytest.mark.parametrize(
    "build",
    [
        BARE.pull,
        BARE.up,
        BARE.stop,
        lambda s: BARE.run_once(s, (), name="n"),
    ],
)
def test_what_cannot_name_a_service_is_refused(build: Callable[[str], Argv], service: str) -> None:
    with pytest.raises(TerminalError, match="cannot be the name of a service"):
        build(service)


@pytest.mark.parametrize("name", ["", "--rm", "a b", "$(id)"])
def test_what_cannot_name_a_container_is_refused(name: str) -> None:
    with pytest.raises(TerminalError, match="cannot be the name of a container"):
        BARE.run_once("web", (), name=name)


@pytest.mark.parametrize("key", ["", "A B", "--privileged", "A=B"])
def test_what_cannot_name_a_variable_is_refused(key: str) -> None:
    with pytest.raises(TerminalError, match="environment variable"):
        BARE.run_once("web", (), name="n", env={key: "value"})


def test_a_configuration_is_read() -> None:
    assert parse_config(json.dumps({"services": {}})) == {"services": {}}
    with pytest.raises(TypeError, match="object"):
        parse_config("[]")


QUIET = " Container shop-db-1  Running\n"
WARNED = 'time="2026-11-26T22:00:00Z" level=warning msg="the attribute `version` is obsolete"\n'
ANEW = " Container shop-web-1  Recreate\n Container shop-web-1  Recreated\n"


@pytest.mark.parametrize(
    ("text", "containers", "alone"),
    [
        (QUIET, ["shop-db-1"], True),
        (WARNED + QUIET + ANEW, ["shop-db-1"], True),
        ("Container shop-db-1 Running", ["shop-db-1"], True),
        (QUIET + QUIET.replace("db-1", "db-2"), ["shop-db-1", "shop-db-2"], True),
        # One of two, one more than was there, or none at all.
        (QUIET, ["shop-db-1", "shop-db-2"], False),
        (QUIET + QUIET.replace("db-1", "db-2"), ["shop-db-1"], False),
        (QUIET + " Container shop-db-2  Creating\n Container shop-db-2  Created\n", ["shop-db-1"], False),
        (QUIET, [], False),
        ("", [], False),
        ("", ["shop-db-1"], False),
        (ANEW, ["shop-db-1"], False),
        (ANEW, [], False),
        (QUIET.replace("Running", "Recreate"), ["shop-db-1"], False),
        (QUIET + QUIET.replace("Running", "Recreate"), ["shop-db-1"], False),
        (QUIET + " Network shop_default  Creating\n", ["shop-db-1"], False),
        (QUIET + "something new\n", ["shop-db-1"], False),
    ],
)
def test_compose_leaves_alone_what_it_says_runs_and_nothing_else(
    text: str, containers: list[str], alone: bool
) -> None:
    assert leaves_alone(text, containers, ["shop-web-1"]) is alone
