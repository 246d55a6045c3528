"""Fixtures of more than one room; `tests/conftest.py` has them for all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.github import GitHub
from tasks.ledger.store import Ledger
from tests.fakes.github import REPOSITORY, TOKEN, FakeGitHub, serve_github
from tests.lab.control import open_server
from tests.lab.plane import LabPlane


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty ledger, made once: its tables take longer than most tests."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    Ledger.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def ledger(empty_ledger: Path, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger in a file of the test's own, `ledger.db` in its folder."""
    path = shutil.copy(empty_ledger, tmp_path / "ledger.db")
    with Ledger.open(f"sqlite:///{path}") as opened:
        yield opened


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[LabPlane]:
    """Prefect's server as `sluice up` starts it, empty and without a worker: runs stay as the tests put them."""
    with open_server() as plane:
        yield plane


@pytest.fixture(scope="session")
def github_server() -> Iterator[FakeGitHub]:
    """The fake GitHub at the address that all tests share; what a test needs of it is `github`."""
    with serve_github() as served:
        yield served


@pytest.fixture
def github(github_server: FakeGitHub) -> FakeGitHub:
    """The fake GitHub as new."""
    github_server.renew()
    return github_server


@pytest.fixture(scope="module")
def github_block(prefect_server: LabPlane, github_server: FakeGitHub) -> None:
    """The block `shop` on Prefect's server, which leads to the fake GitHub."""
    del prefect_server
    GitHub(repository=REPOSITORY, token=SecretStr(TOKEN), base_url=github_server.base).save("shop")
