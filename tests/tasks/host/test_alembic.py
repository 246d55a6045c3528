"""What Alembic prints, taken from Alembic itself."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from blocks.pipeline import Migration
from blocks.values.releases import Revision
from tasks.host.alembic import downgrade_words, parse_history, pending
from tasks.kernel.errors import TerminalError

ENV = """
from alembic import context
from sqlalchemy import create_engine
with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


class Project:
    """A project with Alembic migrations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "versions").mkdir()
        (folder / "env.py").write_text(ENV)

    def add(self, revision: str, down: object, doc: str, **more: object) -> None:
        names = {
            "revision": revision,
            "down_revision": down,
            "branch_labels": None,
            "depends_on": None,
        } | more
        lines = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        text = f'"""{doc}"""\n{lines}\ndef upgrade():\n    pass\n\ndef downgrade():\n    pass\n'
        (self.folder / "versions" / f"{revision}.py").write_text(text)

    def say(self, what: str, *arguments: str) -> str:
        out = io.StringIO()
        config = Config(stdout=out)
        config.set_main_option("script_location", str(self.folder))
        config.set_main_option("sqlalchemy.url", f"sqlite:///{self.folder / 'db'}")
        getattr(command, what)(config, *arguments)
        return out.getvalue()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.add("a1", None, "first, with a comma -> and an arrow (head)")
    made.add("b2", "a1", "second")
    made.add("c3", "a1", "a branch", branch_labels=("side",))
    made.add("d4", ("b2", "c3"), "both")
    made.add("e5", "d4", "needs another tree", depends_on=("f6",))
    made.add("f6", None, "another tree")
    return made


def test_the_history_is_read_oldest_first(project: Project) -> None:
    revisions = parse_history(project.say("history"))
    known = {revision.id: revision for revision in revisions}
    assert set(known) == {"a1", "b2", "c3", "d4", "e5", "f6"}
    order = [revision.id for revision in revisions]
    assert all(order.index(down) < order.index(r.id) for r in revisions for down in r.down)
    assert known["a1"] == Revision(id="a1", message="first, with a comma -> and an arrow (head)")
    assert sorted(known["d4"].down) == ["b2", "c3"]
    assert known["e5"].down == ("d4", "f6")
    assert known["c3"].message == "a branch"


def test_the_indicated_current_revision_changes_nothing(project: Project) -> None:
    project.say("upgrade", "b2")
    out = io.StringIO()
    config = Config(stdout=out)
    config.set_main_option("script_location", str(project.folder))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{project.folder / 'db'}")
    command.history(config, indicate_current=True)
    assert parse_history(out.getvalue()) == parse_history(project.say("history"))


def test_log_lines_are_no_revisions() -> None:
    assert parse_history("INFO [x] Running\n") == ()


def test_what_is_pending_is_what_the_database_lacks(project: Project) -> None:
    revisions = parse_history(project.say("history"))
    ids = [revision.id for revision in revisions]
    assert [r.id for r in pending(revisions, ())] == ids
    assert {r.id for r in pending(revisions, ("b2",))} == set(ids) - {"a1", "b2"}
    assert pending(revisions, ("e5",)) == ()
    assert [r.id for r in pending(revisions, ("unknown",))] == ids


def test_the_way_back_is_each_tool_s_own() -> None:
    ours = Migration(service="app", command=("alembic", "-c", "a.ini", "upgrade", "head"))
    assert downgrade_words(ours, "0001") == ("alembic", "-c", "a.ini", "downgrade", "0001")
    other = Migration(service="app", command=("migrate",), downgrade=("migrate", "to={revision}"))
    assert downgrade_words(other, "0001") == ("migrate", "to=0001")
    assert downgrade_words(Migration(service="app", command=("migrate",)), "0001") is None


@pytest.mark.parametrize("revision", ["", "-1", "a,b", "x;y", "--help"])
def test_a_revision_that_cannot_be_one_is_no_argument(revision: str) -> None:
    with pytest.raises(TerminalError, match="schema revision"):
        downgrade_words(Migration(service="app", command=("alembic", "upgrade", "head")), revision)
