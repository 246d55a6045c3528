"""The schema for editors is fresh, and no key of a pipeline is undocumented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from blocks.pipeline import load_pipeline
from blocks.pipeline.schema import pipeline_schema, pipeline_schema_text
from tests.blocks.pipeline.texts import FULL, SMALLEST

ROOT = Path(__file__).parents[3]
SCHEMA = pipeline_schema()
MODELS = {"Pipeline": SCHEMA, **SCHEMA["$defs"]}
FIELDS = [(model, key) for model, schema in MODELS.items() for key in schema.get("properties", {})]
ROW = re.compile(r"^\| `(?P<key>[a-z_]+)` \| .* \| (?P<default>.+?) \| (?P<meaning>[^|]+) \|$", re.MULTILINE)


def documented() -> dict[tuple[str, str], str]:
    """Section and key → what the reference says the default is."""
    text = (ROOT / "docs/pipeline.md").read_text("utf-8")
    sections = re.split(r"^##+ (.+)$", text, flags=re.MULTILINE)
    pairs = zip(sections[1::2], sections[2::2], strict=True)
    return {(name, row["key"]): row["default"] for name, body in pairs for row in ROW.finditer(body)}


def plain(default: Any) -> str | None:
    """Write a default as the reference does; None where words are better."""
    if default in (None, [], {}):
        return None
    value = default[0] if isinstance(default, list) else default
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_the_committed_schema_is_fresh() -> None:
    committed = (ROOT / "docs/pipeline.schema.json").read_text("utf-8")
    assert committed == pipeline_schema_text(), (
        "run: python -m blocks.pipeline.schema > docs/pipeline.schema.json"
    )


@pytest.mark.parametrize(("model", "key"), FIELDS)
def test_every_key_is_described_to_editors(model: str, key: str) -> None:
    assert len(MODELS[model]["properties"][key].get("description", "")) > 10


@pytest.mark.parametrize(("model", "key"), FIELDS)
def test_every_key_is_in_the_reference_with_its_default(model: str, key: str) -> None:
    told = documented().get((model, key))
    assert told is not None, f"docs/pipeline.md lacks {model}.{key}"
    schema = MODELS[model]
    if key in schema.get("required", []):
        assert told == "required"
    elif expected := plain(schema["properties"][key].get("default")):
        assert told == expected
    else:
        assert told != "required"


def test_the_reference_has_no_key_that_does_not_exist() -> None:
    assert set(documented()) == set(FIELDS)


@pytest.mark.parametrize("text", [FULL, SMALLEST])
def test_editors_accept_what_is_valid(text: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(yaml.safe_load(text), SCHEMA)


@pytest.mark.parametrize(
    "line", ["regsitry: x", "build: {timeout: soon}", "keep_releases: 1", "smoke: [{}]", "notify: ['A B']"]
)
def test_editors_refuse_what_is_not(line: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(f"{line}\n{SMALLEST}"), SCHEMA)


def test_the_examples_of_the_reference_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/pipeline.md").read_text("utf-8"), flags=re.DOTALL)
    assert load_pipeline(blocks[0]).names == ("feature", "staging", "prod")
    assert load_pipeline(SMALLEST + blocks[2]).database.rehearse
    head = SMALLEST + "    address: http://localhost\n"
    indented = "".join(f"    {line}\n" for line in blocks[3].splitlines())
    approved = "    proven_in: dev\n    tags: v*\n    approvals: {approvers: [ana, ben]}\n"
    before = "  dev: {hosts: dev, branches: main}\n"
    written = head.replace("environments:\n", f"environments:\n{before}") + approved + indented
    assert load_pipeline(written).policy("prod").gates.soak == 7200
    assert load_pipeline(SMALLEST + blocks[4]).policy("prod").watch is not None
    assert len(load_pipeline(head + blocks[5]).smoke) == 5
