"""`sluice validate` and `sluice schema`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.deployments.conftest import Sluice

SHOP = Path(__file__).parents[3] / "examples" / "shop" / "pipeline.yaml"


def test_the_example_is_valid(sluice: Sluice) -> None:
    printed = sluice("validate", str(SHOP))
    assert printed.code == 0
    assert printed.out.endswith("is valid: shop, feature → staging → prod\n")
    assert sluice("validate", str(SHOP), "--json").json["environments"] == ["feature", "staging", "prod"]


def test_each_problem_is_a_line_with_file_and_place(sluice: Sluice, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("pipeline: shop\nenvironments:\n  prod:\n    hostz: [prod]\n")
    printed = sluice("validate", str(file))
    assert printed.code == 1
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert all(line.startswith(f"{file}:") for line in lines)
    assert any(f"{file}:4: environments.prod.hostz" in line and '"hosts"' in line for line in lines)
    problems = sluice("validate", str(file), "--json")
    assert problems.code == 1
    assert {one["line"] for one in problems.json["problems"]} >= {4}


def test_a_missing_file_is_one_line(sluice: Sluice, tmp_path: Path) -> None:
    printed = sluice("validate", str(tmp_path / "none.yaml"))
    assert printed.code == 1
    assert "cannot be read: No such file or directory" in printed.err
    assert len(printed.err.splitlines()) == 1


def test_the_schema_is_the_one_the_model_makes(sluice: Sluice) -> None:
    schema = json.loads(sluice("schema").out)
    assert schema["title"] == "pipeline.yaml"
    assert "environments" in schema["properties"]
