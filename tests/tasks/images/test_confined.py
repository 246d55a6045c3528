"""A hostile release is asked for its migrations before anybody approved it, on a server of the lab: nothing happens."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any, cast

import pytest

from blocks.values.manifests import Manifest
from tasks.database.render import list_pending, render_migrations, tell_migrations
from tasks.host.confined import ConfinedService
from tasks.images.confined import confined, placed
from tasks.images.sources import DescribedCommit, Sources, check_out
from tasks.steps.run import Run
from tests.lab.lab import Lab
from tests.lab.server import Server
from tests.lab.shell import wait_until
from tests.samples.runs import APP
from tests.tasks.small_shop import COMPOSE, PASSWORD, PORT, SLEEP, SmallShop, health, run_on, small_shop

pytestmark = pytest.mark.timeout(1800)
MIGRATION = "command: [/sql/alembic, upgrade, head], timeout: 10s, revisions: [sh, -c, 'echo 0002']"

# What a revision's module does when it is imported, whatever it is imported for.
HOSTILE = r"""#!/bin/sh
PGCONNECT_TIMEOUT=3 psql -qc 'delete from product' >&2
for folder in /media /uploads /sql /host/app; do touch "$folder/evil"; done 2>/dev/null
rights=$(grep -h CapEff /proc/self/status)
seen="TOLD=$TOLD PGPASSWORD=$PGPASSWORD $(env | tr '\n' ' ') $(cat /host/app/.env.prod /run/secrets/* 2>/dev/null)"
[ -S /var/run/docker.sock ] && seen="$seen socket"
[ -e /host/name ] && seen="$seen host"
(exec 3<>/dev/tcp/1.1.1.1/53) 2>/dev/null && seen="$seen network"
case $1 in
  history) echo "a1 -> b2 (head), $seen"; echo "<base> -> a1, $rights" ;;
  *) echo "-- Running upgrade a1 -> b2"; echo "-- $seen $rights"; echo 'ALTER TABLE t ADD c text;' ;;
esac
"""


@pytest.fixture(scope="module")
def shop(lab: Lab) -> Iterator[SmallShop]:
    with small_shop(lab.servers["prod"]) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_happens(shop: SmallShop) -> Iterator[None]:
    before, networks, volumes = shop.containers(), names(shop, "network"), names(shop, "volume")
    yield
    assert shop.containers() == before
    assert shop.database.sql("select count(*) from product").strip() == "200"
    for folder in ("/media", "/uploads"):
        assert shop.server.run(("docker", "exec", "the-app", "ls", folder)).stdout.split() == ["mark"]
    assert names(shop, "network") == networks
    assert names(shop, "volume") == volumes
    assert shop.server.run(("find", APP, "-name", "evil")).stdout == ""
    assert shop.server.run(("find", f"{APP}/rehearsals", "-mindepth", "1"), check=False).stdout == ""
    assert asked(shop.server) == ""


def names(shop: SmallShop, what: str) -> str:
    return shop.server.run(("docker", what, "ls", "--quiet")).stdout


def asked(server: Server) -> str:
    return server.run(("docker", "ps", "--all", "--quiet", "--filter", "label=sluice.plan")).stdout


def stage(shop: SmallShop, folder: Path, program: str) -> tuple[Run, ConfinedService]:
    """Put a release on the host whose `alembic` is a program; return what is asked of it."""
    run = shop.with_policy(migration=MIGRATION)
    manifest: Manifest = shop.stage(2)
    path = f"{APP}/releases/{manifest.release.id}/sql/alembic"
    run.hosts["prod"].write_file(path, program.encode(), mode=0o755)
    taken = confined(read(run, folder, program), "app", image="postgres:17", shared=(".env", "uploads"))
    return run, placed(taken, directory=APP, release_id=manifest.release.id)


def read(run: Run, folder: Path, program: str) -> Sources:
    """Check the release's commit out, as far as it is needed here."""
    commit = folder / "commit"
    (commit / "sql").mkdir(parents=True)
    text = COMPOSE.format(port=PORT, app=APP, health=health(None), start=SLEEP)
    (commit / "compose.yaml").write_text(text + "secrets: {key: {file: ./uploads/key}}\n")
    (commit / "compose.yaml").write_text(
        (commit / "compose.yaml")
        .read_text()
        .replace("    privileged: true", "    privileged: true\n    secrets: [key]")
    )
    (commit / "sql/alembic").write_text(program)

    class Mirror:
        def checkout(self, _sha: str, place: Path) -> None:
            copytree(commit, place, dirs_exist_ok=True)

        def links(self, _sha: str) -> dict[str, str]:
            return {}

    run.mirror, run.work = cast("Any", Mirror()), folder
    described = DescribedCommit(
        sha="1" * 40,
        compose_files=("compose.yaml",),
        texts={},
        variables={"DB_PASSWORD": "example"},
        required=(),
        env_files=(".env",),
        tracked=frozenset({"compose.yaml", "sql/alembic"}),
    )
    return check_out.fn(run, described=described, with_bake=False)


def test_a_release_that_tries_everything_reaches_nothing(shop: SmallShop, tmp_path: Path) -> None:
    run, service = stage(shop, tmp_path, HOSTILE)
    told = tell_migrations.fn(run, host="prod", service=service, start="a1", container="sluice-tell")
    rendered = render_migrations.fn(run, host="prod", service=service, start="a1", container="sluice-one")
    assert told is not None
    assert [one.id for one in told.revisions] == ["a1", "b2"]
    assert "ALTER TABLE t ADD c text;" in told.rendered.text
    assert "ALTER TABLE t ADD c text;" in rendered.text
    for said in (str(told), str(rendered)):
        assert "PGPASSWORD=example" in said
        assert "stand-in" in said
        assert "CapEff:\t0000000000000000" in said.replace("\\t", "\t")
        for forbidden in ("a secret", PASSWORD, "socket", " host", " network"):
            assert forbidden not in said


def test_what_an_image_brings_along_has_no_effect(shop: SmallShop, tmp_path: Path) -> None:
    """Its labels would lead a proxy's requests to it, its volume would fill the host's disk."""
    write = "for one in /usr/share /srv; do touch $one/evil && echo written; done"
    program = f"#!/bin/sh\nls /usr/share | head -1\n{write}\nsleep 4\n"
    run, service = stage(shop, tmp_path, program)
    run_docker(shop, "create", "--name=evil", "postgres:17")
    changes = ("--change=LABEL caddy=shop.example.com", "--change=VOLUME /usr/share /srv")
    run_docker(shop, "commit", *changes, "evil", "evil:1")
    run_docker(shop, "rm", "--volumes", "evil")
    service = replace(service, image="evil:1")
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(
            render_migrations.fn, run, host="prod", service=service, start="a1", container="sluice-one"
        )
        wait_until(lambda: asked(shop.server) != "", "the container", seconds=120)
        labels = run_docker(shop, "inspect", "--format={{json .Config.Labels}}", asked(shop.server).strip())
        rendered = asking.result()
    run_docker(shop, "image", "rm", "evil:1")
    assert json.loads(labels)["caddy"] == ""
    assert rendered.exit_code == 0, rendered.reason
    assert rendered.text.strip(), "its content is there"
    assert "written" not in rendered.text


def run_docker(shop: SmallShop, *words: str) -> str:
    return shop.server.run(("docker", *words)).stdout


def test_a_tool_that_needs_the_database_does_not_know(shop: SmallShop, tmp_path: Path) -> None:
    _, service = stage(shop, tmp_path, "")

    def ask(run: Run) -> list[str] | None:
        found = list_pending.fn(run, host="prod", service=service, container="sluice-pending")
        return None if found is None else [one.id for one in found]

    assert ask(shop.with_policy(migration="command: [up], revisions: [sh, -c, 'echo 0002']")) == ["0002"]
    assert ask(shop.with_policy(migration="command: [up], revisions: [psql, -qtAc, 'select 1']")) is None
    assert ask(shop.with_policy(migration="command: [up], revisions: ['true']")) is None


def test_what_does_not_end_is_not_known(shop: SmallShop, tmp_path: Path) -> None:
    run, service = stage(shop, tmp_path, "#!/bin/sh\ntrap '' TERM\nsleep 600\n")
    run.description = run.description.model_copy(
        update={"migration": run.description.migration.model_copy(update={"timeout": 2.0})}  # type: ignore[union-attr]
    )
    rendered = render_migrations.fn(run, host="prod", service=service, start="a1", container="sluice-one")
    assert (rendered.text, rendered.reason) == ("", "it did not end within 2 s")


def test_nothing_outlives_a_killed_question(shop: SmallShop, tmp_path: Path) -> None:
    _, service = stage(shop, tmp_path, "#!/bin/sh\nsleep 600\n")
    process = multiprocessing.get_context("spawn").Process(
        target=render_alone, args=(shop.server, service), daemon=True
    )
    process.start()
    wait_until(lambda: asked(shop.server) != "", "the container", seconds=120)
    process.kill()
    process.join()
    wait_until(lambda: asked(shop.server) == "", "the container's end", seconds=60)


def render_alone(server: Server, service: ConfinedService) -> None:
    """Ask in a process of its own, to be killed."""
    run = run_on(server, migration=MIGRATION)
    render_migrations.fn(run, host="prod", service=service, start="a1", container="sluice-killed")
