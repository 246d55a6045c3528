"""Secrets are taken as they were typed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from prefect.blocks.system import Secret
from pydantic import SecretStr

from tasks.kernel.errors import TerminalError
from tasks.steps.secrets import read_secret
from tests.lab.control import open_server


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    """A Prefect of its own to keep blocks in."""
    with open_server():
        yield


@pytest.mark.parametrize(
    "text", ["plain", "12345678", "007", "1e9", "true", "null", '{"key": "a"}', '"quoted"']
)
def test_what_was_typed_is_what_is_used(text: str) -> None:
    Secret(value=SecretStr(text)).save("typed", overwrite=True)
    assert read_secret("typed") == text


def test_a_value_kept_as_data_is_its_json() -> None:
    Secret(value={"key": "a"}).save("data", overwrite=True)
    assert json.loads(read_secret("data")) == {"key": "a"}


def test_a_secret_that_is_not_there() -> None:
    with pytest.raises(TerminalError, match="there is no block secret/gone"):
        read_secret("gone")
