"""What migrations mean for the release that runs: the corpus, and what must hold for any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.schema_changes import LintFinding, MigrationVerdict, Risk
from flows.domain.database.verdicts import RenderedMigration, judge_migrations
from tasks.database.engine.protocols import ColumnFacts
from tasks.database.postgresql import POSTGRESQL
from tests.flows.domain.database.verdicts.corpus import CASES, Case


def judge(sql: str, *, lint: tuple[LintFinding, ...] = (), **changes: object) -> MigrationVerdict:
    migration = RenderedMigration.model_validate({"revision": "r1", "sql": sql} | changes)
    (verdict,) = judge_migrations([migration], POSTGRESQL, lint={"r1": lint}, sources=None)
    return verdict


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_corpus(case: Case) -> None:
    verdict = case.verdict()
    assert verdict.risk is case.risk, verdict.findings
    said = "\n".join(f"{one.reason} {one.safer}" for one in verdict.findings)
    for words in case.says:
        assert words in said


def test_corpus_has_every_class() -> None:
    assert len(CASES) >= 100
    for risk in Risk:
        assert sum(case.risk is risk for case in CASES) >= 10


@pytest.mark.parametrize("case", [case for case in CASES if case.risk.breaks], ids=lambda case: case.name)
def test_what_breaks_names_its_statement_and_a_safer_way(case: Case) -> None:
    for finding in case.verdict().findings:
        if finding.risk.breaks:
            assert finding.reason
            assert finding.safer
            assert len(finding.statement) <= 200


def test_risk_is_the_worst_of_the_findings_in_the_order_of_statements() -> None:
    verdict = judge("CREATE INDEX i ON a (b);\nDROP TABLE c;\nALTER TABLE a ALTER d SET DEFAULT 1;")
    assert verdict.risk is Risk.DESTRUCTIVE
    assert [one.risk for one in verdict.findings] == [Risk.LOCKING, Risk.DESTRUCTIVE, Risk.ADDITIVE]
    assert [one.statement for one in verdict.findings][:2] == ["CREATE INDEX i ON a (b)", "DROP TABLE c"]


def test_statement_is_shown_without_comments_before_it() -> None:
    (finding,) = judge("-- why\n/* and\n how */ DROP\n  TABLE  c;").findings
    assert finding.statement == "DROP TABLE c"


def test_hostile_text_stays_on_one_printable_line() -> None:
    (finding,) = judge('DROP TABLE "a\u202e\n\x1b[31m";').findings
    assert "\x1b" not in finding.statement + finding.reason + finding.table
    assert "\n" not in finding.statement + finding.reason + finding.table


def test_other_database_is_opaque_and_told_as_such() -> None:
    migration = RenderedMigration(revision="r1", sql="CREATE TABLE a (b int);")
    (verdict,) = judge_migrations([migration], None, lint={}, sources=None)
    assert verdict.risk is Risk.OPAQUE
    assert "only PostgreSQL's migrations can be judged" in verdict.findings[0].reason


def test_what_did_not_render_to_the_end_is_opaque_and_judged_as_far_as_it_goes() -> None:
    verdict = judge("DROP TABLE a;", complete=False, why_incomplete="it broke off")
    assert verdict.risk is Risk.OPAQUE
    assert [one.reason for one in verdict.findings] == ["it broke off", "table a is dropped"]


def test_revision_without_its_file_is_opaque() -> None:
    migrations = [RenderedMigration(revision="r1", sql=""), RenderedMigration(revision="r2", sql="")]
    source = "def upgrade():\n    pass\n"
    one, two = judge_migrations(migrations, POSTGRESQL, lint={}, sources={"r2": source})
    assert (one.risk, two.risk) == (Risk.OPAQUE, Risk.ADDITIVE)


def test_type_in_the_revision_file_counts_where_the_database_was_not_asked() -> None:
    migration = RenderedMigration(revision="r1", sql="ALTER TABLE a ALTER COLUMN b TYPE VARCHAR(50);")
    source = (
        "from alembic import op\nimport sqlalchemy as sa\ndef upgrade():\n"
        "    op.alter_column('a', 'b', existing_type=sa.VARCHAR(length=20), type_=sa.String(50))\n"
    )
    (told,) = judge_migrations([migration], POSTGRESQL, lint={}, sources={"r1": source})
    (asked,) = judge_migrations(
        [migration], POSTGRESQL, lint={}, sources={"r1": source}, facts=ColumnFacts(types={"a.b": "text"})
    )
    assert (told.risk, asked.risk) == (Risk.ADDITIVE, Risk.DESTRUCTIVE)


def test_migrations_are_judged_alone() -> None:
    migrations = [
        RenderedMigration(revision="r1", sql="CREATE TABLE a (b int);"),
        RenderedMigration(revision="r2", sql="ALTER TABLE a ADD c int NOT NULL;"),
    ]
    alone = judge_migrations(migrations, POSTGRESQL, lint={}, sources=None)
    assert [one.risk for one in alone] == [Risk.ADDITIVE, Risk.DESTRUCTIVE]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num='r1' WHERE alembic_version.version_num = 'r0'",
        "INSERT INTO shop.versions (version_num) VALUES ('r1') RETURNING shop.versions.version_num",
        "DELETE FROM alembic_version WHERE alembic_version.version_num = 'r0'",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
    ],
)
def test_alembics_own_notes_do_not_count(statement: str) -> None:
    assert judge(statement).findings == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num='r9' WHERE alembic_version.version_num = 'r0'",
        "UPDATE alembic_version SET version_num='r1'",
        "DELETE FROM alembic_version",
        "DELETE FROM licences WHERE version_num = 'r0'",
        "UPDATE licences SET version_num='r1', paid = true WHERE version_num = 'r0'",
    ],
)
def test_what_only_looks_like_them_does(statement: str) -> None:
    assert judge(statement).risk is Risk.OPAQUE


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1;\0DROP TABLE a;",
        "SELECT '\ud800'",
        "SELECT " + "1+" * 50_000 + "1",
        "SELECT " + "(" * 50_000,
        "SELECT " + "NOT " * 50_000 + "true",
        "SELECT 'open",
        "/* open",
    ],
)
def test_what_the_parser_would_misread_or_die_of_is_opaque(sql: str) -> None:
    assert judge(sql).risk is Risk.OPAQUE


def test_large_inserts_are_read() -> None:
    rows = ", ".join(f"({number}, -{number}, 'name {number}')" for number in range(20_000))
    assert judge(f"INSERT INTO a (b, c, d) VALUES {rows};").risk is Risk.OPAQUE
    rows = ", ".join(f"({number}, 'name + {number}')" for number in range(20_000))
    assert judge(f"INSERT INTO a (b, d) VALUES {rows};").risk is Risk.ADDITIVE


def test_new_search_path_makes_names_mean_something_else() -> None:
    assert judge("CREATE TABLE a (b int); DROP TABLE a;").risk is Risk.ADDITIVE
    assert judge("CREATE TABLE a (b int); SET search_path TO shop; DROP TABLE a;").risk is Risk.DESTRUCTIVE


def test_validation_after_another_lock_in_the_same_transaction_blocks() -> None:
    sql = "ALTER TABLE a ADD COLUMN b int; {}ALTER TABLE a VALIDATE CONSTRAINT c;"
    assert judge(sql.format(""), in_transaction=True).risk is Risk.LOCKING
    assert judge(sql.format("COMMIT; "), in_transaction=True).risk is Risk.ADDITIVE


LINT = LintFinding(
    rule="require-concurrent-index-creation", message="It blocks.", safer="concurrently", line=1
)


def test_linter_makes_additive_locking() -> None:
    verdict = judge("SELECT 1;\nALTER TABLE a ADD COLUMN b int;", lint=(LINT,))
    assert verdict.risk is Risk.LOCKING
    assert verdict.findings[0].statement == "ALTER TABLE a ADD COLUMN b int"
    assert "squawk: require-concurrent-index-creation" in verdict.findings[0].reason


def test_linter_is_not_heard_twice_nor_about_style_nor_outside() -> None:
    sql = "SELECT 1;\nCREATE INDEX i ON a (b);"
    assert len(judge(sql, lint=(LINT,)).findings) == 1
    style = LINT.model_copy(update={"rule": "prefer-big-int"})
    outside = LINT.model_copy(update={"line": 99})
    assert judge("SELECT 1;\nSELECT 2;", lint=(style, outside)).findings == ()


def _makes(sql: str) -> bool:
    return "CREATE" in sql or "ADD COLUMN" in sql


# Statements about tables that nobody of them makes, so that each means the same after any other.
PLAIN = [case for case in CASES if case.live and not _makes(case.sql)]


@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=6), st.text(max_size=30))
def test_concatenation_is_at_least_the_worst_of_its_parts(parts: list[Case], noise: str) -> None:
    worst = max((part.verdict().risk for part in parts), key=lambda risk: risk.severity)
    glued = Case("glued", ";\n".join(part.sql.rstrip(";") for part in parts) + f";\n{noise}", Risk.OPAQUE)
    assert glued.verdict().risk.severity >= worst.severity


@given(st.text(max_size=300), st.booleans())
def test_any_text_has_a_verdict(text: str, open_: bool) -> None:
    assert judge(text, in_transaction=open_).risk in Risk


@given(st.lists(st.sampled_from(PLAIN), max_size=4), st.text(max_size=20))
def test_linter_never_makes_a_verdict_milder(parts: list[Case], rule: str) -> None:
    sql = "\n".join(part.sql for part in parts)
    lint = tuple(
        LintFinding(rule=name, message="m", line=line) for name in (rule, LINT.rule) for line in (0, 1)
    )
    assert judge(sql, lint=lint).risk.severity >= judge(sql).risk.severity
