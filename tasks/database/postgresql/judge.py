"""What the SQL of a migration means for the release that runs, by PostgreSQL's own parser and a linter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.schema_changes import SchemaFinding
from tasks.database.postgresql.lint import SQUAWK
from tasks.database.postgresql.verdicts.data import is_version_keeping
from tasks.database.postgresql.verdicts.linted import lint_remarks
from tasks.database.postgresql.verdicts.migration_context import MigrationContext
from tasks.database.postgresql.verdicts.parse import read_statements, read_tokens
from tasks.database.postgresql.verdicts.source_types import existing_types
from tasks.database.postgresql.verdicts.statements import remarks_on
from tasks.database.postgresql.verdicts.trees import relation_name
from tasks.kernel.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blocks.values.schema_changes import LintFinding
    from tasks.database.engine.protocols import ColumnFacts, SqlLinter
    from tasks.database.postgresql.verdicts.migration_context import Remark
    from tasks.database.postgresql.verdicts.parse import Statement

__all__ = ["LINTER", "check", "comments", "existing_types", "findings"]

LINTER: SqlLinter | None = SQUAWK
_LONGEST = 400


def comments(text: str) -> list[tuple[int, int]]:
    """Return start and end of each comment of one line.

    Raises:
        UnreadableSqlError: The text ends inside of a string, or has characters the parser cannot take.
    """
    return [(token.start, token.end + 1) for token in read_tokens(text) if token.name == "SQL_COMMENT"]


def check(text: str) -> None:
    """See that a text is SQL.

    Raises:
        UnreadableSqlError: PostgreSQL would not take it, or it nests too deep to be read safely.
    """
    read_statements(text)


def findings(
    sql: str, *, revision: str, facts: ColumnFacts, in_transaction: bool, lint: Sequence[LintFinding]
) -> Iterator[SchemaFinding]:
    """Return what a migration's statements do.

    Raises:
        UnreadableSqlError: PostgreSQL's parser does not take the SQL.
    """
    context = MigrationContext(sizes=facts.sizes, types=facts.types, in_transaction=in_transaction)
    statements = read_statements(sql)
    found: list[list[SchemaFinding]] = []
    open_to: list[bool] = []
    versions: set[str] = set()
    for statement in statements:
        about_new = context.is_new(relation_name(getattr(statement.node, "relation", None)))
        found.append(list(_of_statement(statement, revision, context, versions)))
        open_to.append(not found[-1] and not about_new)
    for index, finding in lint_remarks(lint, statements, open_to):
        found[index].append(finding)
    for here in found:
        yield from here


def _of_statement(
    statement: Statement, revision: str, context: MigrationContext, versions: set[str]
) -> Iterator[SchemaFinding]:
    if is_version_keeping(statement.node, revision, versions):
        return
    for remark in remarks_on(statement.node, context):
        yield _finding(remark, statement.text)


def _finding(remark: Remark, statement: str) -> SchemaFinding:
    return SchemaFinding(
        risk=remark.risk,
        statement=statement,
        reason=one_line(remark.reason, _LONGEST),
        safer=one_line(remark.safer, _LONGEST),
        table=one_line(remark.table, 120),
    )
