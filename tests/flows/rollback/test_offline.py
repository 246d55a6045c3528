"""Going back while Prefect's server and the ledger are gone: the command alone, against real servers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.settings import Settings
from blocks.values.lifecycle import Status
from blocks.values.offline import LiveRelease, OfflineRollback
from flows.promotion.flow import promote
from tasks.services.rescue import rescue_file
from tests.lab.outage import everything_down
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(1800)

APP = "/home/deploy/sluice/shop"
VERSION = "backend/shop/__init__.py"


def promoted(scene: Scene, version: str) -> str:
    """Promote the application as another version; return its release."""
    scene.shop.commit_file(VERSION, f'"""The shop."""\n\n__version__ = "{version}"\n', f"Version {version}")
    state: State[Any] = promote("feature", requested_by="cleo", return_state=True)
    assert state.name == "Completed", state.message
    assert scene.serves("feature")["version"] == version
    return scene.promotions("feature")[0].release_id or ""


def sluice(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Type a command."""
    argv = (sys.executable, "-m", "deployments.cli.main", "rollback", "feature", "--offline", *arguments)
    began = time.monotonic()
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=600, check=False)
    sys.stdout.write(
        f"{' '.join(arguments)}: {done.returncode}, {time.monotonic() - began:.2f} s\n{done.stdout}{done.stderr}"
    )
    return done


def on_host(scene: Scene, *argv: str) -> str:
    return scene.lab.servers["feature"].run(argv).stdout


def records(scene: Scene) -> list[OfflineRollback]:
    """Return what stands on the host of offline rollbacks, oldest first."""
    names = on_host(scene, "sh", "-c", f"ls {APP}/offline 2>/dev/null || true").split()
    return [
        OfflineRollback.from_json(on_host(scene, "cat", f"{APP}/offline/{name}")) for name in sorted(names)
    ]


@pytest.fixture(scope="module")
def releases(scene: Scene) -> tuple[str, str]:
    """Two releases, one after the other; the second runs."""
    return promoted(scene, "1.0.1"), promoted(scene, "1.0.2")


def test_a_promotion_prepares_for_the_day(scene: Scene, releases: tuple[str, str]) -> None:
    path = rescue_file(Settings().home, "shop", "feature")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    lines = on_host(scene, "cat", f"{APP}/live.jsonl").splitlines()
    assert [LiveRelease.from_json(line).release_id for line in lines] == list(releases)


def test_the_command_alone_goes_back(scene: Scene, releases: tuple[str, str]) -> None:
    # The host saw a clock that was an hour ahead: the token must be above it, and so must the ledger's next.
    ahead = int(time.time()) + 3600
    scene.lab.servers["feature"].run(("tee", f"{APP}/fence"), stdin=f"{ahead}\n")
    with everything_down(scene) as env:
        done = sluice(env, "--yes", "--reason", "checkout is down", "--json")
    assert done.returncode == 0, done.stderr
    assert scene.serves("feature")["version"] == "1.0.1"
    (record,) = records(scene)
    assert record == OfflineRollback.model_validate(json.loads(done.stdout))
    assert (record.from_release_id, record.to_release_id) == (releases[1], releases[0])
    assert (record.outcome, record.reason) == (Status.SUCCEEDED, "checkout is down")
    assert record.token == ahead + 1 == int(on_host(scene, "cat", f"{APP}/fence"))
    assert "@" in record.who


def test_it_asks_before_it_acts(scene: Scene, releases: tuple[str, str]) -> None:
    with everything_down(scene) as env:
        done = sluice(env, "--release", releases[1], "--insist")
    assert done.returncode == 1
    assert "add --yes" in done.stderr
    assert scene.serves("feature")["version"] == "1.0.1"


def test_what_was_left_is_held(scene: Scene, releases: tuple[str, str]) -> None:
    with everything_down(scene) as env:
        assert "no earlier good release" in sluice(env, "--yes").stderr
        done = sluice(env, "--yes", "--release", releases[1])
        assert done.returncode == 1
        assert "is on hold" in done.stderr
        for version, release in (("1.0.2", releases[1]), ("1.0.1", releases[0])):
            done = sluice(env, "--yes", "--release", release, "--insist")
            assert done.returncode == 0, done.stderr
            assert scene.serves("feature")["version"] == version


def test_a_target_that_never_becomes_healthy_ends_where_it_began(
    scene: Scene, releases: tuple[str, str]
) -> None:
    override = f"{APP}/releases/{releases[1]}/sluice.override.yaml"
    text = on_host(scene, "cat", override)
    broken = text.replace('  "backend":\n', '  "backend":\n    command: ["false"]\n', 1)
    assert broken != text
    scene.lab.servers["feature"].run(("tee", override), stdin=broken)
    try:
        with everything_down(scene) as env:
            done = sluice(env, "--yes", "--release", releases[1], "--insist")
    finally:
        scene.lab.servers["feature"].run(("tee", override), stdin=text)
    assert done.returncode == 1
    assert "restored" in done.stderr
    assert scene.serves("feature")["version"] == "1.0.1"
    assert on_host(scene, "readlink", f"{APP}/current").strip() == f"releases/{releases[0]}"
    assert records(scene)[-1].outcome is Status.RESTORED


def test_a_release_whose_images_are_gone_is_refused(scene: Scene, releases: tuple[str, str]) -> None:
    override = json.loads(on_host(scene, "cat", f"{APP}/releases/{releases[1]}/sluice.manifest.json"))
    image = next(one for one in override["release"]["images"] if "backend" in one["services"])
    on_host(scene, "docker", "image", "rm", "--force", f"{image['repository']}@{image['digest']}")
    before = len(records(scene))
    with everything_down(scene) as env:
        done = sluice(env, "--yes", "--release", releases[1], "--insist")
    assert done.returncode == 1
    assert "no longer has" in done.stderr
    assert len(records(scene)) == before


def test_afterwards_a_promotion_goes_on_as_usual(scene: Scene, releases: tuple[str, str]) -> None:
    third = promoted(scene, "1.0.3")
    lines = on_host(scene, "cat", f"{APP}/live.jsonl").splitlines()
    assert LiveRelease.from_json(lines[-1]).release_id == third
    assert not (Path(scene.home) / "no-prefect" / "prefect.db").exists()
