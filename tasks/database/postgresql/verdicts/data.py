"""Statements that write rows: what becomes of existing data cannot be told from SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import OnConflictAction

from blocks.values.schema_changes import Risk
from tasks.database.postgresql.verdicts.created import calls
from tasks.database.postgresql.verdicts.migration_context import MigrationContext, Remark, Remarks
from tasks.database.postgresql.verdicts.trees import nodes_in, relation_name, strings

_WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
_DATA = "first release code that reads both forms; change the rows in batches, apart from the switch"
_VERSION = "version_num"


def written(statement: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401 - untyped trees
    """Judge INSERT, UPDATE, DELETE and MERGE, with those inside of WITH."""
    for node in nodes_in(statement):
        if isinstance(node, _WRITES):
            yield from _write(node, ground)
    yield from calls(statement)


def _write(node: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    name = relation_name(node.relation)
    if ground.is_new(name):
        return []
    if isinstance(node, ast.InsertStmt):
        return _insert(node, name)
    if isinstance(node, ast.UpdateStmt) and ground.is_fresh(
        name, (str(one.name) for one in node.targetList or ())
    ):
        reason = f"the new columns are filled: the touched rows of {ground.say_table(name)} are locked until the commit"
        return [Remark(Risk.LOCKING, reason, "fill them in small batches, apart from the migration", name)]
    word = {ast.UpdateStmt: "changed", ast.DeleteStmt: "deleted"}.get(type(node), "changed or deleted")
    reason = f"a data migration: existing rows of {ground.say_table(name)} are {word}"
    return [Remark(Risk.OPAQUE, reason, _DATA, name)]


def _insert(node: Any, name: str) -> Remarks:  # noqa: ANN401
    conflict = node.onConflictClause
    if conflict is None or conflict.action != OnConflictAction.ONCONFLICT_UPDATE:
        return []
    reason = f"a data migration: existing rows of {name} are changed where they meet the new ones"
    return [Remark(Risk.OPAQUE, reason, _DATA, name)]


def selected(statement: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401
    """Judge SELECT: it reads, unless it makes a table, locks rows, writes in WITH or calls what may do anything."""
    if statement.intoClause is not None:
        ground.new.add(relation_name(statement.intoClause.rel))
    if statement.lockingClause:
        yield Remark(Risk.LOCKING, "rows are locked until the transaction ends", "leave FOR UPDATE out")
    yield from written(statement, ground)


def is_version_keeping(statement: Any, revision: str, tables: set[str]) -> bool:  # noqa: ANN401
    """Say whether a statement is Alembic's own note of which revision the database has.

    Args:
        tables: The version tables seen in this migration; one that is found is added.

    Returns:
        True for the table's creation and for what notes exactly this revision in it.
    """
    if isinstance(statement, ast.CreateStmt):
        elements = [one for one in statement.tableElts or () if isinstance(one, ast.ColumnDef)]
        return [one.colname for one in elements] == [_VERSION]
    if not isinstance(statement, (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)):
        return False
    name = relation_name(statement.relation)
    if isinstance(statement, ast.DeleteStmt):
        known = name in tables or name.rpartition(".")[2].startswith("alembic_version")
        return known and _compares_version(statement.whereClause)
    if not _notes(statement, revision):
        return False
    tables.add(name)
    return True


def _notes(statement: Any, revision: str) -> bool:  # noqa: ANN401
    """Say whether an insert or update writes one column, the version, and this revision into it."""
    targets = statement.cols if isinstance(statement, ast.InsertStmt) else statement.targetList
    if [str(one.name) for one in targets or ()] != [_VERSION] or statement.withClause is not None:
        return False
    if isinstance(statement, ast.InsertStmt):
        rows = getattr(statement.selectStmt, "valuesLists", None) or ()
        return [_text(value) for row in rows for value in row] == [revision]
    return _text(statement.targetList[0].val) == revision and _compares_version(statement.whereClause)


def _compares_version(where: Any) -> bool:  # noqa: ANN401
    if not isinstance(where, ast.A_Expr) or strings(where.name) != ("=",):
        return False
    fields = getattr(where.lexpr, "fields", None) or ()
    return strings(fields)[-1:] == (_VERSION,) and _text(where.rexpr) is not None


def _text(node: Any) -> str | None:  # noqa: ANN401
    value = getattr(node, "val", None)
    return str(value.sval) if isinstance(value, ast.String) else None
