"""What goes wrong on real servers: one clear line, the ledger and the run agree, and the application still runs.

The flow runs in this process, without worker: what a bad day does to it does not depend on who started it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.compose_host import ComposeHost
from blocks.registry import ContainerRegistry
from blocks.values.lifecycle import ENDED, Status
from blocks.values.plans import GateAnswer
from flows.gates.entry import UndecidedError, decide_entry
from flows.promotion import early_start as ahead
from tasks.database.backup import remove_dump
from tasks.kernel.errors import TerminalError
from tasks.steps.run import Run
from tests.flows.stories import attempt
from tests.lab.repository import git
from tests.lab.scene import Scene
from tests.lab.shell import wait_until
from tests.lab.shop_repository import env_text

pytestmark = pytest.mark.timeout(1800)

APP = "/home/deploy/sluice/shop"


def move_in(scene: Scene, path: str, before: str, after: str, message: str = "A change") -> str:
    """Replace a text in a file of the application, and push."""
    text = (scene.shop.work / path).read_text()
    assert before in text
    return scene.shop.commit_file(path, text.replace(before, after, 1), message)


@contextmanager
def reverted(scene: Scene) -> Iterator[None]:
    """Take back on `main` whatever was committed meanwhile, with a commit of its own."""
    before = scene.shop.head
    try:
        yield
    finally:
        git(scene.shop.work, "checkout", "--quiet", before, "--", ".")
        git(scene.shop.work, "clean", "--quiet", "--force", "-d")
        added = git(scene.shop.work, "diff", "--name-only", "--diff-filter=A", before, "HEAD").split()
        for path in added:
            (scene.shop.work / path).unlink(missing_ok=True)
        scene.shop.commit_all("As it was")


def let_any_migration_in(scene: Scene) -> None:
    """Switch the verdicts off in feature, for migrations that are bad in other ways than these tell."""
    env_file = "    env_file: [.env.feature, .env]\n"
    move_in(scene, "pipeline.yaml", env_file, f"{env_file}    database: {{destructive: allow}}\n")


@pytest.fixture(scope="module")
def running(scene: Scene) -> Scene:
    """The scene with the first release running in feature; what a commit does not change is not started again."""
    told = "    SHOP_RELEASE: ${SLUICE_RELEASE:-unreleased}\n"
    move_in(scene, "compose.yaml", told, "", "No service is told its release")
    assert attempt()[0] == "Completed"
    return scene


@pytest.fixture(autouse=True)
def nothing_is_lost(running: Scene) -> Iterator[None]:
    """After each bad day the application answers as before, and no promotion is left open."""
    yield
    assert running.serves("feature")["version"] == "1.0.0"
    assert all(row.status in ENDED for row in running.promotions("feature"))
    assert all(row.status in ENDED for row in running.promotions("staging"))


def last(scene: Scene, environment: str = "feature") -> tuple[Status, str]:
    row = scene.promotions(environment)[0]
    return row.status, row.message or ""


def test_an_environment_or_ref_nobody_knows(running: Scene) -> None:
    name, message = attempt("nowhere")
    assert name == "Failed"
    assert "nowhere" in message
    assert "feature, staging, prod" in message
    name, message = attempt(ref="feature/gone")
    assert "feature/gone" in message
    assert last(running)[1] == message


@pytest.mark.parametrize("ref", ["--upload-pack=touch {}", "$(touch {})", "a;touch {}", "v1..v2"])
def test_a_ref_that_is_hostile_to_a_shell(running: Scene, tmp_path: Path, ref: str) -> None:
    name, message = attempt(ref=ref.format(tmp_path / "owned"))
    assert name == "Failed"
    assert f"there is no branch or tag {ref.partition('{')[0]}" in message
    assert not (tmp_path / "owned").exists()


def test_a_pipeline_that_is_no_pipeline(running: Scene) -> None:
    with reverted(running):
        move_in(running, "pipeline.yaml", "migration:", "migratoin:")
        name, message = attempt()
        assert name == "Failed"
        assert "pipeline.yaml:" in message
        assert "migration" in message
        (running.shop.work / "pipeline.yaml").unlink()
        running.shop.commit_all("No pipeline")
        assert "pipeline.yaml" in attempt()[1]


def test_an_env_file_that_is_missing_or_lacks_keys(running: Scene) -> None:
    server = running.lab.servers["feature"]
    running.shop.commit_file("README.md", "A change\n", "A change")
    try:
        server.run(("sed", "-i", "/SHOP_SECRET_KEY/d", f"{APP}/.env.feature"))
        name, message = attempt()
        assert name == "Refused"
        assert "SHOP_SECRET_KEY" in message
        server.run(("rm", f"{APP}/.env.feature"))
        name, message = attempt()
        assert name == "Refused"
        assert ".env.feature" in message
    finally:
        server.run(("tee", f"{APP}/.env.feature"), stdin=env_text("feature"))


@contextmanager
def host_block(**changes: object) -> Iterator[None]:
    kept = ComposeHost.load("feature")
    assert isinstance(kept, ComposeHost)
    try:
        kept.model_copy(update=changes).save("feature", overwrite=True)
        yield
    finally:
        kept.save("feature", overwrite=True)


def test_a_host_with_another_key(running: Scene) -> None:
    other = running.lab.servers["prod"].host_key
    with host_block(host_key=other):
        name, message = attempt()
    assert name == "Failed"
    assert "host key" in message


def test_a_login_the_host_refuses(running: Scene, tmp_path: Path) -> None:
    from tests.lab.keys import ensure_key

    path = running.home / "other_key"
    ensure_key(path)
    with host_block(private_key=SecretStr(path.read_text())):
        name, message = attempt()
    assert name == "Failed"
    assert "feature" in message
    assert "key" in message


def test_a_host_that_is_gone(running: Scene) -> None:
    server = running.lab.servers["feature"]
    server.cut_network()
    try:
        with host_block(connect_timeout_seconds=2):
            name, message = attempt()
    finally:
        server.restore_network()
    assert name == "Failed"
    assert "feature" in message


def test_an_engine_that_is_down(running: Scene) -> None:
    server = running.lab.servers["feature"]
    server.kill_engine()
    try:
        name, message = attempt()
    finally:
        server.start_engine()
        # An engine that was killed stops what it finds when it comes back; a person starts it.
        server.run(("sh", "-c", "docker start $(docker ps --all --quiet)"))
    assert name in {"Failed", "Refused"}
    assert "engine" in message
    wait_for_shop(running)


def wait_for_shop(scene: Scene) -> None:
    """Wait until the containers an engine's restart left alone answer again."""

    def answers() -> bool:
        try:
            return bool(scene.serves("feature")["status"] == "ok")
        except Exception:  # noqa: BLE001 - whatever docker exec says while the engine starts
            return False

    wait_until(answers, "the shop in feature", seconds=300, every_seconds=1)


def test_a_disk_that_is_full(running: Scene) -> None:
    server = running.lab.servers["feature"]
    running.shop.commit_file("README.md", "Another change\n", "Another change")
    server.fill_disk(leave_bytes=50_000_000)
    try:
        name, message = attempt()
    finally:
        server.free_disk()
    assert name == "Refused"
    assert "MiB free" in message


def test_an_image_that_is_not_built_here_runs_by_the_digest_its_tag_had(running: Scene) -> None:
    server, image = running.lab.servers["feature"], f"{running.lab.registry.address}/base/nginx:1.26"
    with reverted(running):
        move_in(running, "compose.yaml", "\n  db:\n", f"\n  cache:\n    image: {image}\n\n  db:\n")
        assert attempt()[0] == "Completed"
        found = server.run(("docker", "inspect", "-f", "{{.Config.Image}}", "shop-cache-1")).stdout.strip()
        assert found.startswith(f"{image}@sha256:")
        assert attempt()[0] == "Completed"
        assert last(running)[0] is Status.UNCHANGED
    assert attempt()[0] == "Completed"
    assert "shop-cache-1" not in server.run(("docker", "ps", "-a", "--format", "{{.Names}}")).stdout


def test_a_port_that_is_taken_is_told_before_anybody_is_asked(running: Scene) -> None:
    server = running.lab.servers["staging"]
    server.run(("docker", "run", "-d", "--name", "squatter", "-p", "8080:80", "nginx:1.26"))
    env_file = "    env_file: [.env.staging, .env]\n"
    try:
        with reverted(running):
            move_in(running, "pipeline.yaml", env_file, f"{env_file}    approvals: {{approvers: [ana]}}\n")
            name, message = attempt("staging")
    finally:
        server.run(("docker", "rm", "-f", "squatter"))
    assert name == "Refused"
    assert "port 8080 of staging is taken" in message
    row = running.promotions("staging")[0]
    assert row.status is Status.REFUSED
    assert row.plan is None


def test_a_registry_that_refuses_the_login(running: Scene) -> None:
    kept = ContainerRegistry.load("main")
    assert isinstance(kept, ContainerRegistry)
    running.shop.commit_file("README.md", "A third change\n", "A third change")
    kept.model_copy(update={"password": SecretStr("wrong")}).save("main", overwrite=True)
    try:
        name, message = attempt()
    finally:
        kept.save("main", overwrite=True)
    assert name == "Failed"
    assert "login" in message


def test_an_image_that_cannot_be_pulled_stops_before_anything_changes(running: Scene) -> None:
    with reverted(running):
        move_in(running, "compose.yaml", "image: postgres:17", "image: postgres:99")
        name, message = attempt()
    assert name == "Failed"
    assert "postgres:99" in message
    assert "pull" in message


def test_a_build_that_fails(running: Scene) -> None:
    with reverted(running):
        move_in(running, "backend/Dockerfile", "USER ", "RUN echo no such header >&2; false\nUSER ")
        name, message = attempt()
    assert name == "Failed"
    assert "no such header" in message


def test_a_build_that_hangs(running: Scene) -> None:
    with reverted(running):
        move_in(running, "pipeline.yaml", "keep_releases: 5", "keep_releases: 5\nbuild: {idle_timeout: 5s}")
        move_in(running, "backend/Dockerfile", "USER ", "RUN sleep 600\nUSER ")
        name, message = attempt()
    assert name == "Failed"
    assert "5 s" in message


def test_a_dump_that_is_cut_short(running: Scene) -> None:
    with reverted(running):
        command = 'backup: {service: db, command: [sh, -c, "echo half; exit 3"]}'
        move_in(running, "pipeline.yaml", "backup: {service: db}", command)
        name, message = attempt()
    assert name == "Failed"
    assert "status 3" in message
    assert running.lab.servers["feature"].run(("find", APP, "-name", "*.partial*")).stdout == ""


def dumps(scene: Scene) -> set[str]:
    """The dumps on the server in feature, without their receipts."""
    return set(scene.lab.servers["feature"].run(("find", f"{APP}/backups", "-name", "*.dump")).stdout.split())


def test_a_refused_release_leaves_no_dump(running: Scene) -> None:
    before = dumps(running)
    with reverted(running):
        text = (running.shop.work / "backend/migrations/versions/0002_order_queue.py").read_text()
        head = text.partition("def upgrade()")[0].replace('revision = "0002"', 'revision = "0008"', 1)
        head = head.replace('down_revision = "0001"', 'down_revision = "0002"', 1)
        running.shop.commit_file(
            "backend/migrations/versions/0008_gone.py",
            head + 'def upgrade() -> None:\n    op.execute("drop table orders")\n\n\n'
            "def downgrade() -> None:\n    pass\n",
            "No more orders",
        )
        name, message = attempt()
    assert (name, "0008 is destructive" in message) == ("Refused", True), message
    assert dumps(running) == before


def test_a_dump_that_has_grown_old_before_the_change_is_taken_anew(
    running: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Older than that is each.
    monkeypatch.setattr(ahead, "_FRESH", timedelta(seconds=-1))
    removed: list[str] = []

    def remove(run: Run, host: str, name: str) -> None:
        removed.append(f"{APP}/backups/{name}")
        remove_dump(run, host, name)

    monkeypatch.setattr(ahead, "remove_dump", remove)
    before = dumps(running)
    with reverted(running):
        running.shop.commit_file("README.md", "A change that took its time\n", "A slow change")
        assert attempt()[0] == "Completed"
    with running.ledger() as ledger:
        newest = max(ledger.backups.of("shop", "feature"), key=lambda record: record.receipt.taken_at)
    assert removed == [newest.receipt.path]
    assert dumps(running) - before == {newest.receipt.path}


def test_a_gate_that_has_to_be_waited_for_after_all_does_not_keep_the_lease(
    running: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[bool, int | None]] = []

    def undecided_once(*args: Any, waits: bool = True, **more: Any) -> tuple[GateAnswer, ...]:
        with running.ledger() as ledger:
            lease = ledger.leases.get("shop", "feature")
        asked.append((waits, lease.owner if lease else None))
        if len(asked) == 1:
            raise UndecidedError
        return decide_entry(*args, waits=waits, **more)

    monkeypatch.setattr("flows.promotion.show_plan.decide_entry", undecided_once)
    before = dumps(running)
    with reverted(running):
        running.shop.commit_file("README.md", "Its checks ran twice\n", "A change whose checks ran twice")
        assert attempt()[0] == "Completed"
    number = running.promotions("feature")[0].id
    assert [(waits, owner is not None) for waits, owner in asked] == [
        (False, True),
        (True, False),
        (False, True),
    ]
    with running.ledger() as ledger:
        taken = [
            one.receipt.path for one in ledger.backups.of("shop", "feature") if one.promotion_id == number
        ]
    assert dumps(running) - before == set(taken)
    assert len(taken) == 1


def test_what_an_engine_took_with_it_before_the_change_is_started_again(
    running: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, before = running.lab.servers["feature"], dumps(running)

    def fail(*_: object) -> None:
        server.run(("docker", "stop", "shop-frontend-1"))
        raise TerminalError("the engine of feature died", "look at it")

    monkeypatch.setattr("flows.promotion.flow.make_and_show_plan", fail)
    with reverted(running):
        running.shop.commit_file("README.md", "A day the engine died\n", "A day the engine died")
        name, message = attempt()
    assert name == "Failed"
    assert "the engine of feature died (frontend had stopped on feature" in message
    assert "shop-frontend-1" in server.run(("docker", "ps", "--format", "{{.Names}}")).stdout.split()
    assert dumps(running) == before


def test_a_migration_that_fails_half_way(running: Scene) -> None:
    text = (running.shop.work / "backend/migrations/versions/0002_order_queue.py").read_text()
    head, _, _ = text.partition("def upgrade()")
    head = head.replace('revision = "0002"', 'revision = "0009"', 1)
    head = head.replace('down_revision = "0001"', 'down_revision = "0002"', 1)
    broken = head + (
        "def upgrade() -> None:\n"
        '    op.execute("create table half (id int)")\n'
        '    op.execute("select no_such_function()")\n\n\n'
        "def downgrade() -> None:\n    pass\n"
    )
    with reverted(running):
        let_any_migration_in(running)
        running.shop.commit_file("backend/migrations/versions/0009_half.py", broken, "A broken migration")
        name, message = attempt()
    assert name == "Failed"
    assert "migrate:" in message
    assert "0002" in message
    assert "feature" in message


def test_a_crash_loop_is_not_called_healthy(running: Scene) -> None:
    with reverted(running):
        ticker = "\n  ticker:\n    image: postgres:17\n    command: ['false']\n    restart: unless-stopped\n"
        move_in(running, "compose.yaml", "\n  db:\n", f"{ticker}\n  db:\n", "A service that ends")
        name, message = attempt()
    assert name == "Restored", message
    assert "ticker" in message


def test_a_smoke_check_that_fails(running: Scene) -> None:
    """Healthy for Docker, which looks at the status alone, and wrong for people."""
    with reverted(running):
        move_in(running, "pipeline.yaml", "json: {status: ok}}", "json: {status: ok}, within: 3s}")
        move_in(running, "backend/shop/api.py", "        status=status,", '        status="fine",')
        name, message = attempt()
    assert name == "Restored", message
    assert "smoke:" in message
    assert "fine" in message


def test_a_check_that_no_release_passes_needs_a_person(running: Scene) -> None:
    with reverted(running):
        move_in(running, "pipeline.yaml", "{http: /, status: 200}", "{http: /, status: 418, within: 3s}")
        name, message = attempt()
    assert name == "Broken", message
    assert "expected 418" in message


def test_a_connection_that_drops_while_a_command_runs(running: Scene) -> None:
    """The engine on the host goes on with the migration; the next try waits for it instead of running it twice."""
    text = (running.shop.work / "backend/migrations/versions/0002_order_queue.py").read_text()
    head, _, _ = text.partition("def upgrade()")
    head = head.replace('revision = "0002"', 'revision = "0008"', 1)
    head = head.replace('down_revision = "0001"', 'down_revision = "0002"', 1)
    slow = head + (
        "def upgrade() -> None:\n"
        '    op.execute("select pg_sleep(12)")\n'
        '    op.execute("create table slow (id int)")\n\n\n'
        "def downgrade() -> None:\n    pass\n"
    )
    server = running.lab.servers["feature"]
    cut = threading.Thread(target=cut_during_migration, args=(running,))
    running.shop.commit_file("backend/migrations/versions/0008_slow.py", slow, "A slow migration")
    cut.start()
    try:
        name, message = attempt()
    finally:
        cut.join()
    assert name == "Completed", message
    tables = (
        "docker",
        "exec",
        "shop-db-1",
        "psql",
        "-U",
        "shop",
        "-tAc",
        "select version_num from alembic_version",
    )
    assert server.run(tables).stdout.split() == ["0008"]


def cut_during_migration(scene: Scene) -> None:
    """Cut the server off while the migration's container runs, and bring it back."""
    server = scene.lab.servers["feature"]
    for _ in range(600):
        if "migrate" in server.run(("docker", "ps", "--format", "{{.Names}}"), check=False).stdout:
            break
        time.sleep(0.5)
    time.sleep(2)
    server.cut_network()
    time.sleep(5)
    server.restore_network()
