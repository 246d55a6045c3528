"""What the house was tidied to stays so: one name for one thing, small modules, and tests for what carries all else."""

from __future__ import annotations

import ast
import subprocess
import sys
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


def folder(path: Path) -> str:
    return ".".join(path.parent.relative_to(ROOT).parts)


def test_no_folders_import_each_other_in_a_circle() -> None:
    """A folder and the one that it lies in count as two, which import-linter's contract does not see."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    places = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
    }
    leads: dict[str, set[str]] = defaultdict(set)
    for path in files:
        found = {folder(places[name]) for name in imported(path) if name in places}
        leads[folder(path)] |= found - {folder(path)}
    while leaves := [one for one, others in leads.items() if not others & leads.keys()]:
        for leaf in leaves:
            del leads[leaf]
    assert dict(leads) == {}


# What decides: data in, data out.
PURE = (
    "flows/domain",
    "tasks/host",
    "tasks/*/commands",
    "tasks/targets/*/commands",
    "tasks/database/*/",
    "blocks/values",
)
ACTS = {"prefect", "docker", "paramiko", "sqlalchemy", "httpx", "github", "psycopg", "fsspec", "sqlite3"}
# Some libraries load these, too, and use no more of them than a type.
ACTS_BY_ITSELF = ACTS | {"subprocess", "socket", "asyncio", "importlib", "urllib.request", "multiprocessing"}


def pure() -> list[Path]:
    folders = {found for pattern in PURE for found in ROOT.glob(pattern) if found.name != "__pycache__"}
    return sorted({path for found in folders for path in found.rglob("*.py")})


def test_what_decides_imports_nothing_that_acts() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for path in pure()
        if (names := {*imported(path)} & ACTS_BY_ITSELF or "__import__" in path.read_text("utf-8"))
    }
    assert found == {}


def test_what_decides_loads_nothing_that_acts() -> None:
    """By no way in: not through what it imports, nor through the `__init__` of a folder above it."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in pure()
    ]
    assert len(names) > 150
    code = (
        "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"
    )
    done = subprocess.run(
        (sys.executable, "-c", code, *names), cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {*done.stdout.split()}
    assert ACTS & loaded == set()
    assert [
        name for name in loaded if name.startswith(("tasks.adapters", "tasks.ledger", "tasks.steps"))
    ] == []
