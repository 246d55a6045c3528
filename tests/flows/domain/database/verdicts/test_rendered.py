"""Alembic's offline output, taken apart: branches, merges, heads, and texts that break off."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from blocks.values.releases import Revision
from blocks.values.schema_changes import Risk
from flows.domain.database.verdicts import RenderedMigration, judge_migrations, rendered_whole, split_rendered
from tasks.database.postgresql import POSTGRESQL
from tests.flows.domain.samples import revisions

PREAMBLE = """BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

"""
TWO = """-- Running upgrade  -> a1

CREATE TABLE a (b INTEGER);

INSERT INTO alembic_version (version_num) VALUES ('a1') RETURNING alembic_version.version_num;

-- Running upgrade a1 -> b2

DROP TABLE old;

UPDATE alembic_version SET version_num='b2' WHERE alembic_version.version_num = 'a1';

COMMIT;
"""


split = partial(split_rendered, judge=POSTGRESQL.judge)


def risks(migrations: tuple[RenderedMigration, ...]) -> list[Risk]:
    return [one.risk for one in judge_migrations(migrations, POSTGRESQL, lint={}, sources=None)]


def test_each_migration_gets_its_own_sql() -> None:
    first, second = split(PREAMBLE + TWO, revisions("a1", "b2"), 0, "")
    assert "CREATE TABLE a (b INTEGER);" in first.sql
    assert "DROP TABLE" not in first.sql
    assert second.sql.startswith("DROP TABLE old;")
    assert (first.message, second.message) == ("step a1", "step b2")
    assert first.complete
    assert second.complete
    assert risks((first, second)) == [Risk.ADDITIVE, Risk.DESTRUCTIVE]


def test_output_that_breaks_off_leaves_the_last_and_all_after_it_incomplete() -> None:
    one, two, three = split(TWO, revisions("a1", "b2", "c3"), 1, "KeyError: 'x'\n")
    assert [one.complete, two.complete, three.complete] == [True, False, False]
    assert two.why_incomplete == "its SQL is incomplete (exit status 1): KeyError: 'x'"
    assert three.sql == ""
    assert risks((one, two, three)) == [Risk.ADDITIVE, Risk.OPAQUE, Risk.OPAQUE]


def test_failure_without_any_output_leaves_all_incomplete() -> None:
    for one in split("", revisions("a1", "b2"), 255, ""):
        assert one.why_incomplete == "its SQL is incomplete (exit status 255)"


def test_output_without_the_migration_is_told_although_nothing_failed() -> None:
    one, two = split("-- Running upgrade  -> a1\n\n", revisions("a1", "b2"), 0, "")
    assert one.complete
    assert two.why_incomplete == "its SQL is not in what Alembic printed"


def test_branches_and_their_merge() -> None:
    graph = (
        Revision(id="b1", down=("a1",)),
        Revision(id="c1", down=("a1",)),
        Revision(id="d1", down=("b1", "c1")),
    )
    text = (
        "BEGIN;\n\n-- Running upgrade a1 -> c1\n\nDROP TABLE c;\n\n-- Running upgrade a1 -> b1\n\nSELECT 1;\n\n"
        "-- Running upgrade b1, c1 -> d1\n\nDELETE FROM alembic_version WHERE alembic_version.version_num = 'b1';\n\n"
        "UPDATE alembic_version SET version_num='d1' WHERE alembic_version.version_num = 'c1';\n\nCOMMIT;\n"
    )
    found = split(text, graph, 0, "")
    assert [one.revision for one in found] == ["b1", "c1", "d1"]
    assert risks(found) == [Risk.ADDITIVE, Risk.DESTRUCTIVE, Risk.ADDITIVE]


def test_several_heads_are_opaque() -> None:
    heads = (Revision(id="b1", down=("a1",)), Revision(id="c1", down=("a1",)))
    text = "-- Running upgrade a1 -> b1\n\n-- Running upgrade a1 -> c1\n"
    for one in split(text, heads, 0, ""):
        assert (
            one.why_incomplete
            == "the pending migrations have several heads (b1, c1), whose order is not fixed"
        )


def test_marker_in_a_string_or_function_divides_nothing() -> None:
    text = (
        "-- Running upgrade  -> a1\n\nINSERT INTO a VALUES ('x\n-- Running upgrade a1 -> b2\n');\n"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n-- Running upgrade a1 -> b2\nSELECT 1 $$;\n\n"
        "-- Running upgrade a1 -> b2\n\nSELECT 2;\n"
    )
    one, two = split(text, revisions("a1", "b2"), 0, "")
    assert two.sql == "SELECT 2;"
    assert risks((one, two)) == [Risk.ADDITIVE, Risk.ADDITIVE]


def test_forged_marker_makes_all_opaque() -> None:
    text = (
        "-- Running upgrade  -> a1\n\nSELECT 1;\n-- Running upgrade a1 -> b2\nDROP TABLE a;\n"
        "-- Running upgrade a1 -> b2\n\nSELECT 2;\n"
    )
    for one in split(text, revisions("a1", "b2"), 0, ""):
        assert "occurs twice" in one.why_incomplete


def test_marker_of_a_stranger_stays_in_the_section() -> None:
    text = "-- Running upgrade  -> a1\n\nSELECT 1;\n-- Running upgrade a1 -> zz\nDROP TABLE a;\n"
    (one,) = split(text, revisions("a1"), 0, "")
    assert risks((one,)) == [Risk.DESTRUCTIVE]


def test_text_that_ends_within_a_string_is_divided_by_lines_and_opaque() -> None:
    one, two = split(TWO + "SELECT 'open", revisions("a1", "b2"), 1, "killed")
    assert one.complete
    assert risks((one, two)) == [Risk.ADDITIVE, Risk.OPAQUE]


def test_words_an_env_py_prints_are_passed_over_and_its_sql_is_judged() -> None:
    (one,) = split(f"Loading settings …\n{PREAMBLE}-- Running upgrade  -> a1\n", revisions("a1"), 0, "")
    assert risks((one,)) == [Risk.ADDITIVE]
    (one,) = split("DROP TABLE a;\nBEGIN;\n-- Running upgrade  -> a1\n", revisions("a1"), 0, "")
    assert risks((one,)) == [Risk.DESTRUCTIVE]


def test_old_forms_of_the_marker() -> None:
    text = "-- Running upgrade None -> a1\n\n-- Running upgrade a1 -> b2, add -> more\n\nSELECT 1;"
    _, two = split(text, revisions("a1", "b2"), 0, "")
    assert two.sql == "SELECT 1;"


def test_transaction_is_known_at_the_beginning_of_each() -> None:
    index = "CREATE INDEX CONCURRENTLY i ON a (b);"
    text = f"BEGIN;\n\n-- Running upgrade  -> a1\n\nCOMMIT;\n\n{index}\n\n-- Running upgrade a1 -> b2\n\n{index}\n"
    one, two = split(text, revisions("a1", "b2"), 0, "")
    assert (one.in_transaction, two.in_transaction) == (True, False)
    assert risks((one, two)) == [Risk.ADDITIVE, Risk.ADDITIVE]
    (one,) = split(f"BEGIN;\n\n-- Running upgrade  -> a1\n\n{index}\n", revisions("a1"), 0, "")
    assert risks((one,)) == [Risk.LOCKING]


def test_other_tools_sql_is_one_migration() -> None:
    (one,) = rendered_whole("DROP TABLE a;\n", revisions("001", "002"), 0, "")
    assert (one.revision, one.message, one.complete) == ("002", "step 001; step 002", True)
    assert rendered_whole("", (), 0, "") == ()
    assert (
        rendered_whole(" ", revisions("001"), 0, "")[0].why_incomplete
        == "the command for its SQL printed nothing"
    )
    assert not rendered_whole("DROP", revisions("001"), 2, "no database")[0].complete


LINES = st.sampled_from(
    (
        *("BEGIN;", "COMMIT;", "SELECT 'a", "';", "DROP TABLE a;", "$$", "/*", "*/", "\0", "\ud800", "`"),
        *("-- Running upgrade  -> a1", "-- Running upgrade a1 -> b2", "-- Running upgrade b2 -> c3, x"),
    )
)


@given(st.one_of(st.text(max_size=200), st.lists(LINES, max_size=12).map("\n".join)), st.integers(-1, 3))
def test_splitting_any_text_gives_each_migration_once(text: str, exit_code: int) -> None:
    found = split(text, revisions("a1", "b2", "c3"), exit_code, "why")
    assert [one.revision for one in found] == ["a1", "b2", "c3"]
    if exit_code:
        assert not found[-1].complete
    assert all(one.complete == (not one.why_incomplete) for one in found)
    judge_migrations(found, POSTGRESQL, lint={}, sources=None)


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_no_drop_is_lost(text: str) -> None:
    whole = f"-- Running upgrade  -> a1\n{text}"
    found = split(whole, revisions("a1", "b2"), 0, "")
    if "DROP TABLE a;" in text and all(one is Risk.ADDITIVE for one in risks(found)):
        # Only within a string, a comment or a function it means nothing.
        assert any(mark in text for mark in ("'", "/*", "$$"))
