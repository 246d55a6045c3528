"""No field of a block is undocumented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prefect.blocks.core import Block

from blocks.catalog import BLOCKS

TEXT = (Path(__file__).parents[2] / "docs/blocks.md").read_text("utf-8")
SECTIONS = dict(zip(*[iter(re.split(r"^## (.+)$", TEXT, flags=re.MULTILINE)[1:])] * 2, strict=True))
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| [^|]{10,} \|$", re.MULTILINE)
FIELDS = [(block, name) for block in BLOCKS for name in block.model_fields]


def rows_of(block: type[Block]) -> dict[str, tuple[str, str]]:
    return {name: (kind, default) for name, kind, default in ROW.findall(SECTIONS[block.__name__])}


def test_every_block_has_its_section_and_no_other() -> None:
    assert set(SECTIONS) == {block.__name__ for block in BLOCKS}
    for block in BLOCKS:
        assert f"`{block.get_block_type_slug()}`" in SECTIONS[block.__name__]
        assert set(rows_of(block)) == set(block.model_fields)


@pytest.mark.parametrize(("block", "name"), FIELDS)
def test_every_field_is_documented_with_its_default(block: type[Block], name: str) -> None:
    kind, default = rows_of(block)[name]
    field = block.model_fields[name]
    schema = block.model_json_schema()
    secret = name in {path.split(".")[0] for path in schema["secret_fields"]}
    assert kind.startswith("secret") == secret
    if field.is_required():
        assert default == "required"
    elif field.default_factory or field.default in (None, ""):
        assert default == "none"
    else:
        value = str(field.default)
        assert default == f"`{value.lower() if isinstance(field.default, bool) else value}`"
