"""Revisions as Alembic users write them: rendered by the real Alembic, then judged with their Python."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from blocks.values.releases import Revision
from blocks.values.schema_changes import MigrationVerdict, Risk
from flows.domain.database.verdicts import judge_migrations, split_rendered
from tasks.database.postgresql import POSTGRESQL
from tests.flows.domain.database.verdicts.corpus import FOLDER

ENV = """
from alembic import context

context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=PER)
with context.begin_transaction():
    context.run_migrations()
"""
FILES = tuple(path for path in sorted((FOLDER / "alembic").glob("*.py")) if path.stem != "start")
_HEAD = re.compile(r"^# (risk|says): (.*)$", re.MULTILINE)


@pytest.fixture(scope="module", params=[False, True], ids=["one transaction", "one each"])
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A project that has all revisions of the corpus."""
    folder = tmp_path_factory.mktemp("alembic")
    shutil.copytree(FOLDER / "alembic", folder / "versions", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "env.py").write_text(ENV.replace("PER", str(request.param)))
    made = Config(stdout=io.StringIO())
    made.set_main_option("script_location", str(folder))
    made.set_main_option("path_separator", "os")
    return made


def render(config: Config, start: str, end: str) -> tuple[str, int, str]:
    """Return what `alembic upgrade start:end --sql` prints, its exit status and why it failed."""
    config.output_buffer = io.StringIO()
    try:
        command.upgrade(config, f"{start}:{end}", sql=True)
    except Exception as error:  # noqa: BLE001 - revisions may raise anything
        return config.output_buffer.getvalue(), 1, f"{type(error).__name__}: {error}"
    return config.output_buffer.getvalue(), 0, ""


def verdict_of(config: Config, path: Path) -> MigrationVerdict:
    text, code, reason = render(config, "start", path.stem)
    migrations = split_rendered(
        text, (Revision(id=path.stem, down=("start",)),), code, reason, POSTGRESQL.judge
    )
    (verdict,) = judge_migrations(
        migrations, POSTGRESQL, lint={}, sources={path.stem: path.read_text("utf-8")}
    )
    return verdict


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_revision(config: Config, path: Path) -> None:
    expected = _HEAD.findall(path.read_text("utf-8"))
    verdict = verdict_of(config, path)
    said = "\n".join(f"{one.reason} {one.safer}" for one in verdict.findings)
    assert verdict.risk is Risk(dict(expected)["risk"]), said
    for key, words in expected:
        assert key == "risk" or words in said


REVISION = """
from alembic import op
revision = "{0}"
down_revision = {1!r}
branch_labels = None
depends_on = {3!r}


def upgrade():
    {2}
"""
GRAPH = (
    ("a", "start", 'op.execute("CREATE TABLE a (id int)")', None),
    ("b", "a", 'op.execute("DROP TABLE left_one")', None),
    ("c", "a", 'op.create_index("i", "orders", ["x"])', None),
    ("d", ("b", "c"), "pass", None),
    ("e", "d", 'op.execute("ALTER TABLE t ADD x int"); op.get_bind().execute("SELECT 1").scalar()', None),
    ("f", "e", 'op.execute("SELECT 1")', None),
    ("other", None, 'op.execute("SELECT 2")', "c"),
)
DOWN = {"a": ("start",), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("d",), "f": ("e",), "other": ("c",)}


@pytest.fixture
def graph(tmp_path: Path) -> Config:
    """A project with a branch, its merge, a revision that does not render, and a second tree."""
    (tmp_path / "versions").mkdir()
    shutil.copy(FOLDER / "alembic" / "start.py", tmp_path / "versions")
    for name, down, body, needs in GRAPH:
        (tmp_path / "versions" / f"{name}.py").write_text(REVISION.format(name, down, body, needs))
    (tmp_path / "env.py").write_text(ENV.replace("PER", "False"))
    made = Config(stdout=io.StringIO())
    made.set_main_option("script_location", str(tmp_path))
    made.set_main_option("path_separator", "os")
    return made


def risks(config: Config, start: str, end: str, names: str) -> list[Risk]:
    text, code, reason = render(config, start, end)
    wanted = tuple(Revision(id=name, down=DOWN[name]) for name in names.split())
    migrations = split_rendered(text, wanted, code, reason, POSTGRESQL.judge)
    return [one.risk for one in judge_migrations(migrations, POSTGRESQL, lint={}, sources=None)]


def test_branches_and_merge_of_real_alembic(graph: Config) -> None:
    expected = [Risk.ADDITIVE, Risk.DESTRUCTIVE, Risk.LOCKING, Risk.ADDITIVE]
    assert risks(graph, "start", "d", "a b c d") == expected
    assert risks(graph, "b", "d", "c d") == expected[2:]


def test_output_that_breaks_off_of_real_alembic(graph: Config) -> None:
    assert risks(graph, "d", "f", "e f") == [Risk.OPAQUE, Risk.OPAQUE]
    assert risks(graph, "start", "f", "a b c d e f")[:4] == risks(graph, "start", "d", "a b c d")


def test_several_heads_of_real_alembic(graph: Config) -> None:
    # The name `head` is refused where there are several; `heads` renders, in an order that nobody fixed.
    assert risks(graph, "e", "head", "f other") == [Risk.OPAQUE, Risk.OPAQUE]
    assert risks(graph, "e", "heads", "f other") == [Risk.OPAQUE, Risk.OPAQUE]
