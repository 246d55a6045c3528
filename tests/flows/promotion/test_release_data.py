"""What an application writes into its release's folder is refused by name, carried over, or left as was said."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.settings import Settings
from blocks.values.lifecycle import Status
from flows.rollback.flow import rollback
from flows.rollback.offline_execute import go_back
from flows.rollback.offline_hosts import OfflineRequest, prepare_rollback
from tasks.kernel.errors import RefusedError
from tasks.services.rescue import read_rescue
from tests.flows.stories import attempt
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(1800)

APP = "/home/deploy/sluice/shop"
MOUNTS = """    volumes:
      - ${SHOP_FILES:-./data}:/data
      - ./cache:/cache
      - ./settings.json:/settings.json
      - ./site:/site:ro
"""
# As an application does that is root in its container: its own, and of others too.
WRITES = """
mkdir -m 700 /data/private && echo orders > /data/private/orders.db && chmod 600 /data/private/orders.db
echo upload > /data/upload.txt && chown 1234:1234 /data/upload.txt && ln -s upload.txt /data/latest
mkdir /data/empty && chown 1234 /data/empty
echo changed > /data/prices.csv && rm /data/example.csv
echo '{"theme": "dark"}' > /settings.json
echo warm > /cache/page
"""


def version(scene: Scene, text: str) -> None:
    scene.shop.commit_file("backend/shop/__init__.py", f'"""The shop."""\n\n__version__ = "{text}"\n', text)


def policy(scene: Scene, line: str) -> None:
    """Say in pipeline.yaml on the default branch what becomes of data; nothing for an empty line."""
    text = (scene.shop.work / "pipeline.yaml").read_text()
    kept = [one for one in text.splitlines() if not one.startswith("data:")]
    scene.shop.commit_file("pipeline.yaml", "\n".join([*kept, line, ""]), "What becomes of data")


def inside(scene: Scene, script: str) -> str:
    """Run a script in the container that writes."""
    argv = ("docker", "exec", "shop-frontend-1", "bash", "-ec", script)
    return scene.lab.servers["feature"].run(argv).stdout


def current(scene: Scene) -> str:
    return scene.lab.servers["feature"].run(("readlink", f"{APP}/current")).stdout.strip()


@pytest.fixture(scope="module")
def writing(scene: Scene) -> Scene:
    """A release runs that has written into its own folder."""
    for path in ("data/README", "data/prices.csv", "data/example.csv", "cache/README", "site/index.html"):
        scene.shop.commit_file(path, "from git\n", path)
    scene.shop.commit_file("settings.json", "{}\n", "Settings")
    compose = (scene.shop.work / "compose.yaml").read_text()
    conf = "    volumes:\n      - ./ops/nginx/shop.conf"
    changed = compose.replace(conf, f"{MOUNTS}      - ./ops/nginx/shop.conf", 1)
    scene.shop.commit_file("compose.yaml", changed, "Mounts")
    assert attempt()[0] == "Completed"
    inside(scene, WRITES)
    return scene


def test_what_would_be_left_behind_is_refused_by_name(writing: Scene) -> None:
    before = current(writing)
    version(writing, "1.0.1")
    image = root(writing, "docker", "inspect", "--format", "{{.Image}}", "shop-frontend-1").strip()
    mount = ("--volume", f"{APP}/current/site:/site", "--volume", "/home:/homes")
    root(
        writing,
        "docker",
        "run",
        "--detach",
        "--name=by-hand",
        *mount,
        "--entrypoint=sleep",
        image,
        "infinity",
    )
    name, message = attempt()
    root(writing, "docker", "rm", "--force", "by-hand")
    assert name == "Refused"
    assert "by-hand, which is no service of" in message
    assert "may write to ./site and would go on" in message
    for part in (
        "./cache of frontend (./cache/page)",
        "./data of frontend (./data/example.csv, ./data/latest, ./data/prices.csv and 2 more)",
        "./settings.json of frontend (./settings.json)",
        "`data: {./cache: carry, ./data: carry, ./settings.json: carry}`",
    ):
        assert part in message, message
    assert "./site of" not in message
    assert current(writing) == before
    assert inside(writing, "cat /data/private/orders.db") == "orders\n"


def test_what_the_policy_carries_goes_along_and_the_rest_stays(writing: Scene) -> None:
    before = current(writing)
    policy(writing, "data: {./data: carry, ./settings.json: carry, ./cache: release}")
    writing.shop.commit_file("data/README", "from the next commit\n", "README")
    writing.shop.commit_file("data/more.csv", "from the next commit\n", "more")
    assert attempt()[0] == "Completed"
    assert current(writing) != before
    said = inside(
        writing,
        "cd /data; stat -c '%U %a' private private/orders.db; cat private/orders.db; stat -c %u upload.txt empty;"
        "readlink latest; cat prices.csv README more.csv; ls example.csv 2>&1 || true; cat /settings.json; ls /cache",
    )
    assert said.splitlines() == [
        *("root 700", "root 600", "orders", "1234", "1234", "upload.txt", "changed"),
        *("from the next commit", "from the next commit"),
        "ls: cannot access 'example.csv': No such file or directory",
        *('{"theme": "dark"}', "README"),
    ]
    left = writing.lab.servers["feature"].run(("ls", f"{APP}/{before}/cache")).stdout.split()
    assert left == ["README", "page"]


def test_going_back_takes_along_what_was_written_since(writing: Scene) -> None:
    before = current(writing)
    inside(
        writing, "cd /data; echo more >> private/orders.db; rm upload.txt latest; echo '{}' > /settings.json"
    )
    state: State[Any] = rollback("feature", reason="a trial", requested_by="cleo", return_state=True)
    assert state.name == "Completed", state.message
    assert current(writing) != before
    said = inside(writing, "cat /data/private/orders.db; ls /data /cache; cat /settings.json")
    assert said.split() == [
        *("orders", "more", "/cache:", "README", "page"),
        *("/data:", "README", "empty", "prices.csv", "private", "{}"),
    ]


def test_going_back_without_the_ledger_does_so_too(writing: Scene) -> None:
    inside(writing, "echo offline >> /data/private/orders.db")
    rescue, target = read_rescue(Settings().home, "feature", None), newest(writing)
    forbidden = rescue.model_copy(update={"policy": rescue.policy.model_copy(update={"data": {}})})
    with pytest.raises(RefusedError, match=r"\./data of frontend"):
        prepare_rollback(forbidden, OfflineRequest(release=target, who="ana@laptop", insist=True))
    record = go_back(
        prepare_rollback(rescue, OfflineRequest(release=target, who="ana@laptop", insist=True)),
        lambda _: None,
    )
    assert record.outcome is Status.SUCCEEDED, record.message
    assert current(writing) == f"releases/{target}"
    assert inside(writing, "cat /data/private/orders.db").split() == ["orders", "more", "offline"]


def test_a_release_that_fails_leaves_what_was_written_where_it_was(writing: Scene) -> None:
    before, compose = current(writing), (writing.shop.work / "compose.yaml").read_text()
    broken = compose.replace("  frontend:\n", '  frontend:\n    command: ["false"]\n', 1)
    writing.shop.commit_file("compose.yaml", broken, "Broken")
    name, message = attempt()
    writing.shop.commit_file("compose.yaml", compose, "Mended")
    assert name == "Restored", message
    assert current(writing) == before
    assert inside(writing, "cat /data/private/orders.db").split() == ["orders", "more", "offline"]
    assert root(writing, "cat", f"{APP}/releases/{newest(writing)}/data/private/orders.db").startswith(
        "orders"
    )


def test_a_folder_goes_with_its_release_only_when_its_data_was_carried_on(writing: Scene) -> None:
    left, failed = current(writing).removeprefix("releases/"), newest(writing)
    text = (writing.shop.work / "pipeline.yaml").read_text().replace("keep_releases: 5", "keep_releases: 2")
    writing.shop.commit_file("pipeline.yaml", text, "Keep two")
    name, message = attempt()
    assert name == "Completed", message
    kept = root(writing, "ls", f"{APP}/releases").split()
    assert failed in kept
    assert left not in kept
    assert inside(writing, "cat /data/private/orders.db").split() == ["orders", "more", "offline"]


def test_the_same_release_again_keeps_its_folder(writing: Scene) -> None:
    before = current(writing)
    folder = root(writing, "stat", "-c", "%i", f"{APP}/current/data")
    root(writing, "sh", "-c", f"echo by hand >> {APP}/current/site/index.html")
    root(writing, "docker", "rm", "--force", "shop-backend-1")
    inside(writing, "echo again >> /data/private/orders.db; echo again > /data/prices.csv")
    name, message = attempt()
    assert (name, current(writing)) == ("Completed", before), message
    assert root(writing, "stat", "-c", "%i", f"{APP}/current/data") == folder
    assert inside(writing, "cat /data/prices.csv; tail -n 1 /data/private/orders.db").split() == [
        "again",
        "again",
    ]
    assert inside(writing, "cat /site/index.html") == "from git\n"


def root(scene: Scene, *argv: str) -> str:
    return scene.lab.servers["feature"].run(argv).stdout


def newest(scene: Scene) -> str:
    return scene.lab.servers["feature"].run(("sh", "-c", f"ls {APP}/releases | tail -n 1")).stdout.strip()
