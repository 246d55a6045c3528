"""What the new image tells of its migrations: a guess before it can be asked, and one container for two questions."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from blocks.pipeline import Migration
from blocks.values.evidence import Rendered
from blocks.values.releases import Revision
from tasks.database.render import (
    ToldMigrations,
    brings_revisions,
    list_pending,
    render_migrations,
    tell_migrations,
)
from tasks.host.confined import MOST_BYTES, ConfinedService
from tasks.images.build import list_revisions
from tasks.images.confined import ask_either_way, confined
from tasks.images.sources import DescribedCommit, Sources
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.protocols import Call, Result
from tests.fakes.host import FakeHost
from tests.fakes.runner import FakeRunner

REVISION = "revision = 'b2'\ndown_revision = 'a1'\n"
SERVICE = ConfinedService(image="shop@sha256:1")
# Plays Alembic: `history` and `upgrade A:head --sql`, each failing where a file says so.
ALEMBIC = """#!/bin/sh
case $1 in
  history) [ ! -e no-history ] || { echo 'FAILED: no history' >&2; exit 3; }
    echo 'a1 -> b2 (head), second'; echo '<base> -> a1, first' ;;
  upgrade) echo "-- Running upgrade for $2 $3"; echo 'ALTER TABLE t ADD c text;'
    [ ! -e no-sql ] || exit 4 ;;
esac
"""


@pytest.mark.parametrize(
    ("name", "text", "guess"),
    [
        ("migrations/b2.py", REVISION, True),
        ("migrations/b2.py", "revision: str = 'b2'\ndown_revision = None\n", True),
        ("migrations/b2.sql", REVISION, False),
        ("app.py", "revision = 'b2'\n", False),
        ("app.py", "print('down_revision')\n", False),
        ("app.py", "revision = 'b2'\ndown_revision = (\n", False),
    ],
)
def test_a_new_file_of_alembic_is_taken_for_a_migration(
    tmp_path: Path, name: str, text: str, guess: bool
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert brings_revisions(tmp_path, frozenset({name})) is guess
    assert not brings_revisions(tmp_path, frozenset())


def test_a_link_out_of_the_checkout_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text(REVISION)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "b2.py").symlink_to(tmp_path / "outside.py")
    assert not brings_revisions(checkout, frozenset({"b2.py", "gone.py"}))


def image(folder: Path) -> FakeHost:
    """Return a host whose engine carries out on this machine what a container would."""
    (folder / "alembic").write_text(ALEMBIC)
    (folder / "alembic").chmod(0o755)

    def run(call: Call) -> Result:
        entrypoint = next(word for word in call.argv if word.startswith("--entrypoint="))
        rest = call.argv[call.argv.index("--") + 2 :]
        command = (entrypoint.partition("=")[2], *rest)
        if (folder / "no-shell").exists():
            return Result(call.argv, 127, "", 'exec: "sh": executable file not found in $PATH', 0.1)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        return Result(call.argv, done.returncode, done.stdout, done.stderr, 0.1)

    host = FakeHost()
    host.answer("sluice-confined", effect=run)
    return host


ALEMBICS = Migration(service="backend", command=("./alembic", "upgrade", "head"))


def live(host: FakeHost, chosen: Migration = ALEMBICS) -> Any:
    class Live:
        class description:  # noqa: N801 - it plays an attribute
            migration = chosen

        pipeline = "shop"
        hosts = {"prod": host}

    return Live()


def tell(host: FakeHost) -> ToldMigrations | None:
    return tell_migrations.fn(live(host), host="prod", service=SERVICE, start="a1", container="shop-render-1")


def render(host: FakeHost) -> Rendered:
    return render_migrations.fn(
        live(host), host="prod", service=SERVICE, start="a1", container="shop-render-1"
    )


def test_one_container_lists_and_prints(tmp_path: Path) -> None:
    host = image(tmp_path)
    told = tell(host)
    assert told is not None
    assert told.revisions == (
        Revision(id="a1", message="first"),
        Revision(id="b2", down=("a1",), message="second"),
    )
    assert told.rendered.text == "-- Running upgrade for a1:head --sql\nALTER TABLE t ADD c text;\n"
    assert told.rendered.exit_code == 0
    assert len(host.argvs("docker", "run")) == 1


@pytest.mark.parametrize("missing", ["no-history", "no-sql", "no-shell"])
def test_what_fails_has_to_be_asked_for_by_itself(tmp_path: Path, missing: str) -> None:
    (tmp_path / missing).touch()
    assert tell(image(tmp_path)) is None


def test_a_list_that_was_cut_is_no_list() -> None:
    host = FakeHost()
    host.answer("sluice-confined", stdout="a" * (MOST_BYTES + 1))
    assert tell(host) is None
    assert render(host).text == ""
    assert "8 MiB" in render(host).reason


def test_an_image_without_a_way_to_tell_gives_no_sql_and_says_why() -> None:
    host = FakeHost()
    host.answer("sluice-confined", exit_code=1, stdout="ALTER TABLE a ADD", stderr="KeyError: 'TOKEN'")
    rendered = render(host)
    assert (rendered.exit_code, rendered.reason) == (1, "KeyError: 'TOKEN'")
    assert len(host.argvs("docker", "run")) == 2, "without and with the entrypoint"


@pytest.mark.parametrize("answer", [{"exit_code": 1, "stdout": "0001"}, {"stdout": "\n"}])
def test_pending_migrations_that_are_not_told_are_not_none(answer: dict[str, Any]) -> None:
    host = FakeHost()
    host.answer("sluice-confined", **answer)
    migration = Migration(service="backend", command=("up",), revisions=("pending",))
    assert list_pending.fn(live(host, migration), host="prod", service=SERVICE, container="one") is None


@pytest.mark.parametrize(
    ("printed", "current", "pending"),
    [
        ("a1 -> b2 (head), second\n<base> -> a1, first", ("a1",), ["b2"]),
        ("a1 -> b2 (head), second\n<base> -> a1, first", ("b2",), []),
        ("<base> -> a1 (head), first", (), ["a1"]),
        ("", (), []),
        # It stands at a migration, so there is one.
        ("", ("a1",), None),
        ("INFO starting", (), None),
    ],
)
def test_alembic_that_was_not_asked_at_the_build_is_asked_on_the_host(
    printed: str, current: tuple[str, ...], pending: list[str] | None
) -> None:
    host = FakeHost()
    host.answer("sluice-confined", "history", stdout=printed)
    found = list_pending.fn(live(host), host="prod", service=SERVICE, container="one", current=current)
    assert (None if found is None else [one.id for one in found]) == pending


def test_a_list_needs_no_examples() -> None:
    runner = FakeRunner()
    runner.answer("sluice-confined", stdout="<base> -> a1 (head), first")
    runner.answer("sluice-confined", "--env=DATABASE_URL=1", exit_code=1, stderr="ArgumentError: no URL: '1'")
    service = replace(SERVICE, environment={"DATABASE_URL": "1"})

    class Build:
        class description:  # noqa: N801 - it plays an attribute
            migration = ALEMBICS

        local, registry_login = runner, ""

    assert list_revisions.fn(cast("Any", Build()), service=service) == (Revision(id="a1", message="first"),)
    runner.answer("sluice-confined", exit_code=1, stderr="KeyError: 'HOME'")
    runner.answer("sluice-confined", "--env=DATABASE_URL=1", exit_code=1, stderr="ArgumentError: no URL: '1'")
    with pytest.raises(TerminalError, match="no URL: '1'"):
        list_revisions.fn(cast("Any", Build()), service=service)


def test_python_that_cannot_be_parsed_is_no_migration(tmp_path: Path) -> None:
    for text in ("down_revision = " + "-" * 200_000 + "1", "down_revision = a" + ".b" * 100_000):
        (tmp_path / "b2.py").write_text(text)
        assert not brings_revisions(tmp_path, frozenset({"b2.py"}))


def test_an_engine_that_dies_says_nothing_about_migrations() -> None:
    gone, host = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock", FakeHost()
    host.answer("sluice-confined", exit_code=125, stderr=gone)
    host.answer("docker", "version", exit_code=1, stderr=gone)
    with pytest.raises(TransientError, match="cannot be asked for its migrations on prod: Cannot connect"):
        tell(host)


def test_an_engine_that_came_back_is_asked_once_more() -> None:
    host = FakeHost()
    host.answer("sluice-confined", stdout="ALTER TABLE a ADD b int;")
    host.answer("sluice-confined", exit_code=125, stderr="error waiting for container: EOF", lasts=1)
    host.answer("docker", "version")
    assert render(host) == Rendered(text="ALTER TABLE a ADD b int;", exit_code=0)


def test_an_image_that_is_not_there_is_fetched_with_the_login_of_the_registry_alone() -> None:
    runner = FakeRunner()
    runner.answer("sluice-confined", stdout="<base> -> a1, first")
    runner.answer("sluice-confined", exit_code=125, stderr="No such image", lasts=1)
    runner.answer("docker", "version")
    runner.answer("docker", "pull")
    found = ask_either_way(
        runner, SERVICE, ("alembic", "history"), container="one", seconds=9.0, login='{"auths": {}}'
    )
    assert found.text == "<base> -> a1, first"
    (pulled,) = [call for call in runner.calls if "pull" in call.argv]
    assert pulled.stdin == b'{"auths": {}}'
    assert pulled.argv[-1] == SERVICE.image


@pytest.mark.parametrize(
    ("path", "mounted"),
    [
        ("sql", True),
        ("sql/up.sql", True),
        (".", True),
        ("etc", False),  # a link out of the commit
        ("etc/passwd", False),
        ("inner", False),  # a link within it: what it leads to may be another one on the host
        (".env", False),  # leads to the host's own
        ("data/kept", False),
        ("new", False),
        ("..", False),
        ("../beside", False),
    ],
)
def test_only_a_commits_own_files_are_mounted(tmp_path: Path, path: str, mounted: bool) -> None:
    for name in ("sql/up.sql", "data/kept", ".env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "etc").symlink_to("/etc")
    (tmp_path / "inner").symlink_to("sql")
    described = DescribedCommit(
        sha="1" * 40,
        compose_files=(),
        texts={},
        variables={},
        required=(),
        env_files=(),
        tracked=frozenset({"sql/up.sql", "data/kept", ".env", "etc", "etc/passwd", "inner"}),
    )
    volume = {"type": "bind", "source": f"/render/{path}", "target": "/there"}
    config = {"services": {"app": {"volumes": [volume]}}}
    sources = Sources(described, source=tmp_path, render=Path("/render"), config=config)
    made = confined(sources, "app", image="i", shared=(".env", "data"))
    assert bool(made.mounts) is mounted
