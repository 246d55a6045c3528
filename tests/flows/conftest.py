"""A real ledger for each test of the flows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.ledger.store import Ledger


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger's file, made once: its tables take longer than most tests."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    Ledger.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def ledger(empty_ledger: Path, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with nothing in it."""
    path = shutil.copy(empty_ledger, tmp_path / "ledger.db")
    with Ledger.open(f"sqlite:///{path}") as opened:
        yield opened
