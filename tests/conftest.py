"""Fixtures of all tests: the lab, and the example application on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import deployments.control_plane.garbage  # noqa: F401 - before what is imported next
from tests.fixtures import empty_ledger, github, github_block, github_server, ledger, prefect_server
from tests.lab.fixtures import clean_servers, lab, postgres_server, postgres_url
from tests.lab.lab import Lab
from tests.lab.scene import Scene, Stage, open_stage
from tests.lab.settings import Settings

# Of several processes each plays on a lab of its own; `script/test` starts them.
if one_of_several := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["SLUICE_LAB_DIR"] = str(Settings().beside(one_of_several).directory)

# A busy machine is slow, not wrong.
PATIENTLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time: what fails is then the change's fault. `--hypothesis-profile=explore` looks for others.
settings.register_profile("sluice", PATIENTLY, derandomize=True)
settings.register_profile("explore", PATIENTLY)
settings.load_profile("sluice")

__all__ = [
    "clean_servers",
    "empty_ledger",
    "github",
    "github_block",
    "github_server",
    "lab",
    "ledger",
    "postgres_server",
    "postgres_url",
    "prefect_server",
    "scene",
    "stage",
]

# Server and worker share the machine with three servers of the lab.
PATIENT = {"PREFECT_WORKER_QUERY_SECONDS": "3", "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "3"}
KILLER = Path(__file__).parent / "lab" / "killer"
# The longest first: of several labs none then starts on one of them when the others are done.
LONGEST = (
    "bad_days",
    "story",
    "rehearse",
    "kill",
    "schema_story",
    "start",
    "offline",
    "flow",
    "entry_story",
    "half_migrations",
    "github_story",
    "backup",
    "rehearse_shop",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what plays on the lab's servers, which only one test run at a time can do, and put it in order."""
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    long = item.get_closest_marker("lab") is not None and name in LONGEST
    return LONGEST.index(name) if long else len(LONGEST)


@pytest.fixture(scope="session")
def stage(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Prefect's server and a worker on the lab; a run's process can be killed in a step, see `tests/lab/killer`."""
    kills = {"SLUICE_TEST_KILLS": str(tmp_path_factory.mktemp("kills") / "plan"), "PYTHONPATH": str(KILLER)}
    with open_stage(lambda: lab, inherited={**os.environ, **PATIENT, **kills}) as opened:
        yield opened


@pytest.fixture
def kills(scene: Scene) -> Iterator[Path]:
    """The file in which a test writes where the processes of runs kill themselves."""
    path = Path(scene.plane.env["SLUICE_TEST_KILLS"])
    # The stage is shared: another module's kills are not ours.
    path.with_suffix(".done").unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)
    path.with_suffix(".done").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def scene(stage: Stage, request: pytest.FixtureRequest) -> Scene:
    """The example application between its repository and fresh servers; all of it for tests marked `whole_shop`."""
    return stage.set_scene(whole=request.node.get_closest_marker("whole_shop") is not None)
