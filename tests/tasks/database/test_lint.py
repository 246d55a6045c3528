"""The linter: one call for all migrations, and no verdict lost where it is not there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

import pytest

from blocks.values.schema_changes import LintFinding, Risk
from flows.domain.database.verdicts import RenderedMigration, judge_migrations
from tasks.adapters.local import LocalRunner
from tasks.database.engine.protocols import ColumnFacts
from tasks.database.lint import lint_migrations
from tasks.database.postgresql import POSTGRESQL
from tasks.database.postgresql.verdicts.linted import LOCKING_RULES
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Runner
from tasks.steps.run import Run
from tests.fakes.runner import FakeRunner
from tests.flows.domain.database.verdicts.corpus import CASES


class Local:
    """What the task needs of a run: the control machine."""

    def __init__(self, local: Runner) -> None:
        self.local = local


def lint(runner: Runner, migrations: Mapping[str, str]) -> Mapping[str, tuple[LintFinding, ...]]:
    return lint_migrations.fn(
        cast("Run", Local(runner)), linter=POSTGRESQL.judge.LINTER, migrations=migrations
    )


def test_findings_belong_to_their_revision_and_line() -> None:
    found = lint(
        LocalRunner(),
        {
            "a1": "CREATE TABLE a (b text);",
            "b2/../x": "SELECT 1;\n\nCREATE INDEX i ON orders (x);",
            "c3": "oops (",
        },
    )
    by_rule = {one.rule: one for one in found["b2/../x"]}
    assert by_rule["require-concurrent-index-creation"].line == 2
    assert "concurrently" in by_rule["require-concurrent-index-creation"].safer.lower()
    assert {one.rule for one in found["c3"]} == {"syntax-error"}
    assert not LOCKING_RULES & {one.rule for one in found.get("a1", ())}


def test_nothing_is_asked_where_nothing_is_pending() -> None:
    assert lint(FakeRunner(), {}) == {}


def test_hostile_text_is_only_text() -> None:
    assert isinstance(lint(LocalRunner(), {"a\n'\"": "SELECT '\ud800\0';"}), dict)


@pytest.mark.parametrize(
    "answer",
    [
        {"exit_code": 127, "stderr": "squawk: No such file or directory"},
        {"exit_code": 1, "stdout": "Failed to find files"},
        {"exit_code": 0, "stdout": "[{"},
        {"exit_code": 0, "stdout": '[{"file": "other.sql"}]'},
        {"error": TerminalError("squawk took too long", "look at it")},
    ],
)
def test_linter_that_fails_costs_a_warning(answer: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    runner = FakeRunner()
    runner.answer("--reporter", "json", **answer)
    with caplog.at_level(logging.WARNING):
        assert lint(runner, {"a1": "SELECT 1;"}) == {}
    assert "squawk gave no opinion" in caplog.text


LOCKS = {
    "adding-foreign-key-constraint": "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES c (id);",
    "constraint-missing-not-valid": "ALTER TABLE a ADD CONSTRAINT f CHECK (b > 0);",
    "disallowed-unique-constraint": "ALTER TABLE a ADD CONSTRAINT f UNIQUE (b);",
    "require-concurrent-index-creation": "CREATE INDEX i ON a (b);",
    "require-concurrent-index-deletion": "DROP INDEX i;",
    "require-concurrent-reindex": "REINDEX TABLE a;",
    "adding-not-nullable-field": "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
    "adding-field-with-default": "ALTER TABLE a ADD COLUMN b uuid DEFAULT gen_random_uuid();",
    "adding-serial-primary-key-field": "ALTER TABLE a ADD COLUMN b serial PRIMARY KEY;",
    "require-concurrent-partition-detach": "ALTER TABLE a DETACH PARTITION b;",
    "ban-concurrent-index-creation-in-transaction": "BEGIN; CREATE INDEX CONCURRENTLY i ON a (b); COMMIT;",
}


def test_every_rule_that_counts_is_one_the_linter_has_and_the_parser_knows_too() -> None:
    assert set(LOCKS) == LOCKING_RULES
    found = lint(LocalRunner(), LOCKS)
    for rule, sql in LOCKS.items():
        assert rule in {one.rule for one in found.get(rule, ())}, rule
        migration = RenderedMigration(revision=rule, sql=sql)
        (verdict,) = judge_migrations([migration], POSTGRESQL, lint={}, sources=None)
        assert verdict.risk is not Risk.ADDITIVE


def test_linter_agrees_with_the_corpus() -> None:
    found = lint(LocalRunner(), {case.name: case.sql for case in CASES})
    for case in CASES:
        migration = RenderedMigration(revision=case.name, sql=case.sql)
        (verdict,) = judge_migrations(
            [migration], POSTGRESQL, lint=found, sources=None, facts=ColumnFacts(types=dict(case.types))
        )
        assert verdict.risk is case.risk, case.name
