"""Every step has its row in docs/steps.md, and no row is about a step that is gone."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

from prefect import Task

import tasks

ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def step_names() -> set[str]:
    found: set[str] = set()
    for module in pkgutil.walk_packages(tasks.__path__, "tasks."):
        # Alembic alone can run its migrations' environment.
        if ".migrations." in module.name:
            continue
        loaded = importlib.import_module(module.name)
        found |= {value.name for value in vars(loaded).values() if isinstance(value, Task)}
    return found


def test_steps_and_rows_agree() -> None:
    page = Path(__file__).parents[2] / "docs" / "steps.md"
    assert set(ROW.findall(page.read_text("utf-8"))) == step_names()


def test_our_own_packages_are_imported() -> None:
    # The package index has foreign packages called `tasks` and `flows`.
    assert Path(tasks.__file__ or "").parents[1] == Path(__file__).parents[2]
