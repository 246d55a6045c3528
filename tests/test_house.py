"""What the house was tidied to stays so: one name for one thing, small modules, and tests for what carries all else."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("blocks", "tasks", "flows", "deployments")
MOST_LINES = 400
# The rooms that every promotion and rollback goes through.
TESTED = (
    "flows.core",
    "flows.promotion",
    "flows.rollback",
    "flows.runs",
    "tasks.services",
    "tasks.steps",
    "tasks.targets",
)
# Those of their modules that no test imports yet; tests of others, and on real servers, go through them. It only
# shrinks: give a new module a test, and take a line out when its module has one.
UNTESTED = {
    "flows.promotion.confined_service",
    "flows.promotion.judge_schema",
    "flows.promotion.release_data",
    "flows.promotion.show_plan",
    "flows.rollback.plan",
    "tasks.services.finish",
    "tasks.services.offline_records",
    "tasks.services.prepare",
    "tasks.services.remember",
    "tasks.services.smoke",
    "tasks.services.up",
    "tasks.steps.site",
    "tasks.targets.compose.facts",
    "tasks.targets.compose.logs",
    "tasks.targets.compose.rollbacks",
    "tasks.targets.compose.state",
    "tasks.targets.compose.target",
}


@cache
def modules() -> dict[str, Path]:
    """Return the modules of the four packages, by the name that they are imported by; folders are none."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in files
        if path.stem != "__init__"
    }


@cache
def imported_by_tests() -> frozenset[str]:
    """Return what test modules import; of `from a import b` both `a` and `a.b`, which may be a module."""
    return frozenset(name for path in (ROOT / "tests").rglob("test_*.py") for name in imported(path))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_module_is_called_by_what_it_is_doing() -> None:
    assert [name for name in modules() if any(part.endswith("ing") for part in name.split("."))] == []


def test_no_module_is_too_long() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules().items()}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


@pytest.mark.parametrize("room", TESTED)
def test_what_carries_all_else_has_tests(room: str) -> None:
    here = {name for name in modules() if name.startswith(f"{room}.")}
    assert here, f"there is no folder {room}: name what took its place"
    untested = {name for name in UNTESTED if name.startswith(f"{room}.")}
    assert here - imported_by_tests() - untested == set(), "these need a test that imports them"
    assert untested - (here - imported_by_tests()) == set(), (
        "these have a test, or are gone: take them out of UNTESTED"
    )


def test_no_folders_import_each_other_in_a_circle() -> None:
    """A folder and the one that it lies in count as two, which import-linter's contract does not see."""
    known = modules()
    leads: dict[str, set[str]] = defaultdict(set)
    for name, path in known.items():
        for found in imported(path):
            if found in known and found.rpartition(".")[0] != name.rpartition(".")[0]:
                leads[name.rpartition(".")[0]].add(found.rpartition(".")[0])
    while leaves := [folder for folder, others in leads.items() if not others & leads.keys()]:
        for folder in leaves:
            del leads[folder]
    assert dict(leads) == {}
