"""The JSON Schema of pipeline.yaml, for editors. `python -m blocks.pipeline.schema` prints it."""

from __future__ import annotations

import json
import sys
from typing import Any

from blocks.pipeline.durations import DURATION_EXAMPLES, format_duration
from blocks.pipeline.model import Pipeline


def pipeline_schema() -> dict[str, Any]:
    """Return the JSON Schema of pipeline.yaml; durations have their defaults as people write them."""
    schema = Pipeline.model_json_schema(by_alias=True)
    for model in [schema, *schema["$defs"].values()]:
        for field in model.get("properties", {}).values():
            field.pop("title", None)
            if _is_duration(field) and isinstance(field.get("default"), float):
                field["default"] = format_duration(field["default"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "pipeline.yaml"}


def pipeline_schema_text() -> str:
    """Return the schema as it is committed in docs/pipeline.schema.json."""
    return json.dumps(pipeline_schema(), indent=2) + "\n"


def _is_duration(field: dict[str, Any]) -> bool:
    return any(choice.get("examples") == DURATION_EXAMPLES for choice in field.get("anyOf", []))


if __name__ == "__main__":
    sys.stdout.write(pipeline_schema_text())
