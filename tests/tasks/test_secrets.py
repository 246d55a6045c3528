"""Secrets are taken as they were typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_HOME, PREFECT_PROFILES_PATH, temporary_settings
from prefect.testing.utilities import prefect_test_harness
from pydantic import SecretStr

from tasks.errors import TerminalError
from tasks.secrets import read_secret


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Prefect of its own to keep blocks in."""
    home = tmp_path_factory.mktemp("prefect")
    changed = {PREFECT_HOME: home, PREFECT_PROFILES_PATH: home / "profiles.toml"}
    with temporary_settings(changed), prefect_test_harness(server_startup_timeout=120):
        yield home


@pytest.mark.parametrize(
    "text", ["plain", "12345678", "007", "1e9", "true", "null", '{"key": "a"}', '"quoted"']
)
def test_what_was_typed_is_what_is_used(blocks: Path, text: str) -> None:
    Secret(value=SecretStr(text)).save("typed", overwrite=True)
    assert read_secret("typed") == text


def test_a_value_kept_as_data_is_its_json(blocks: Path) -> None:
    Secret(value={"key": "a"}).save("data", overwrite=True)
    assert json.loads(read_secret("data")) == {"key": "a"}


def test_a_secret_that_is_not_there(blocks: Path) -> None:
    with pytest.raises(TerminalError, match="there is no block secret/gone"):
        read_secret("gone")
