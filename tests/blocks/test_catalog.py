"""The catalog on a real Prefect server: registered by the CLI, saved, loaded, and secrets not shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL

from blocks import catalog
from blocks.catalog import BLOCKS
from tests.blocks.documents import DOCUMENTS, SECRETS
from tests.deployments.webhook.prefect_server import login
from tests.lab.plane import LabPlane

PREFECT = Path(sys.executable).with_name("prefect")


@pytest.fixture(scope="module")
def api(prefect_server: LabPlane) -> str:
    del prefect_server
    url = str(PREFECT_API_URL.value())
    registered = subprocess.run(
        [PREFECT, "block", "register", "-m", "blocks.catalog"],
        env=os.environ | {"PREFECT_API_URL": url, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert registered.returncode == 0, registered.stdout + registered.stderr
    assert f"{len(BLOCKS)} blocks" in registered.stdout
    return url


def test_the_catalog_has_every_block_of_the_package() -> None:
    found = {
        member for member in vars(catalog).values() if isinstance(member, type) and issubclass(member, Block)
    }
    assert found == set(BLOCKS) == set(DOCUMENTS)
    texts = [path.read_text("utf-8") for path in Path(catalog.__file__).parent.rglob("*.py")]
    # Two of them are what the others are made of.
    kinds = ("(Block):", "(SluiceBlock):", "(Notifier):")
    assert sum(text.count(kind) for text in texts for kind in kinds) == len(BLOCKS) + 2


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_registered_with_its_form(api: str, block: type[Block]) -> None:
    slug = block.get_block_type_slug()
    kind = httpx.get(f"{api}/block_types/slug/{slug}", auth=login()).raise_for_status().json()
    assert kind["name"] == block.get_block_type_name()
    assert kind["description"] == block.get_description()
    wanted = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
    (schema,) = httpx.post(f"{api}/block_schemas/filter", json=wanted, auth=login()).raise_for_status().json()
    assert set(schema["fields"]["properties"]) == set(block.model_fields)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_comes_back_and_its_secrets_do_not_show(api: str, block: type[Block]) -> None:
    made: Any = block(**DOCUMENTS[block])
    made.save("probe")
    again = block.load("probe")
    assert {name: getattr(again, name) for name in block.model_fields} == {
        name: getattr(made, name) for name in block.model_fields
    }
    slug = block.get_block_type_slug()
    probe = f"{api}/block_types/slug/{slug}/block_documents/name/probe"
    answer = httpx.get(probe, auth=login()).raise_for_status().text
    assert "****" in answer
    assert not [secret for secret in SECRETS if secret in answer]
