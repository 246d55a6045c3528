"""What is created: additive, unless it changes what happens to tables that were there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast

from blocks.values.schema_changes import Risk
from tasks.database.postgresql.verdicts.constraints import references, unique_by_itself
from tasks.database.postgresql.verdicts.migration_context import MigrationContext, Remark, Remarks
from tasks.database.postgresql.verdicts.tables import outside_transaction
from tasks.database.postgresql.verdicts.trees import (
    dotted,
    is_on,
    may_refuse,
    nodes_in,
    relation_name,
    unknown_functions,
)


def table(statement: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401 - untyped trees
    """Judge CREATE TABLE and CREATE FOREIGN TABLE."""
    base: Any = statement.base if isinstance(statement, ast.CreateForeignTableStmt) else statement
    name = relation_name(base.relation)
    parents = [relation_name(parent) for parent in base.inhRelations or ()]
    if base.partbound is not None and not all(ground.is_new(parent) for parent in parents):
        yield Remark(
            Risk.LOCKING,
            f"{parents[0]} is locked with reads and writes blocked; a default partition is scanned",
            f"CREATE TABLE {name} (LIKE …) with a CHECK that says the same as its bounds, then ATTACH PARTITION",
            parents[0],
        )
    for node in nodes_in((base.tableElts, base.constraints)):
        if isinstance(node, ast.Constraint) and node.pktable is not None:
            target = relation_name(node.pktable)
            if target != name and not ground.is_new(target):
                yield from references(node)
    if not base.if_not_exists:
        ground.new.add(name)


def table_as(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    if not statement.if_not_exists:
        ground.new.add(relation_name(statement.into.rel))
    return calls(statement.query)


def calls(query: Any) -> list[Remark]:  # noqa: ANN401
    """Judge what a query calls: a function of somebody's own may do anything."""
    called = unknown_functions(query)
    if not called:
        return []
    reason = f"it calls {', '.join(called[:3])}, and what that does is not known"
    return [Remark(Risk.OPAQUE, reason, "rehearse it on a copy, or write out what the function does")]


def index(statement: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401
    """Judge CREATE INDEX."""
    name = relation_name(statement.relation)
    if statement.concurrent and ground.in_transaction:
        yield outside_transaction()
    if ground.is_new(name):
        return
    names = tuple(str(one.name or "") for one in statement.indexParams or ())
    if statement.unique and not unique_by_itself(name, names, ground):
        yield Remark(
            Risk.DESTRUCTIVE,
            "a new unique index refuses rows that the running release may write",
            "first release code that writes no duplicates, build CONCURRENTLY once no rollback can go to one that does",
            name,
        )
    if may_refuse((statement.indexParams, statement.whereClause)):
        yield Remark(
            Risk.DESTRUCTIVE,
            "rows for which the expression of the index fails are refused",
            "index the plain column, or check first that every running release writes what the expression takes",
            name,
        )
    if not statement.concurrent:
        yield Remark(
            Risk.LOCKING,
            f"writes to {ground.say_table(name)} are blocked while the index is built",
            "CREATE INDEX CONCURRENTLY, outside of a transaction (Alembic: postgresql_concurrently=True in an "
            "autocommit_block)",
            name,
        )


def view(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge CREATE VIEW."""
    name = relation_name(statement.view)
    if statement.replace and not ground.is_new(name):
        return [_replaced("view", name)]
    ground.new.add(name)
    return []


def function(statement: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge CREATE FUNCTION and CREATE PROCEDURE."""
    return [_replaced("function", dotted(statement.funcname))] if statement.replace else []


def _replaced(kind: str, name: str) -> Remark:
    return Remark(
        Risk.DESTRUCTIVE,
        f"the {kind} {name} may give the running release something else than before",
        f"create a second {kind} under a new name, and drop this one in a later release",
    )


def trigger(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge CREATE TRIGGER and CREATE RULE."""
    name = relation_name(statement.relation)
    if ground.is_new(name):
        return []
    reason = f"it runs with each write of the running release to {name}, and what it does is not known"
    return [Remark(Risk.OPAQUE, reason, "rehearse the running release on a copy that has it", name)]


def policy(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge CREATE POLICY."""
    name = relation_name(statement.table)
    if ground.is_new(name) or statement.permissive:
        return []
    reason = f"a restrictive policy hides rows of {name} from the running release, or refuses its writes"
    return [Remark(Risk.DESTRUCTIVE, reason, "make it when all running code is meant to have it", name)]


def type_(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge CREATE TYPE."""
    named = getattr(statement, "typevar", None)
    ground.new.add(relation_name(named) if named is not None else dotted(statement.typeName))
    return []


def definition(statement: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge CREATE AGGREGATE, OPERATOR, COLLATION and their kin."""
    return [_replaced("aggregate", dotted(statement.defnames))] if statement.replace else []


def schema(statement: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge CREATE SCHEMA."""
    if not statement.schemaElts:
        return []
    reason = "what is made together with the schema is not looked at"
    return [Remark(Risk.OPAQUE, reason, "make the schema alone, and what is in it by statements of its own")]


def publication(_statement: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge CREATE PUBLICATION and ALTER PUBLICATION."""
    reason = "updates and deletes of published tables without a replica identity are refused"
    return [
        Remark(Risk.DESTRUCTIVE, reason, "give every published table a primary key or REPLICA IDENTITY first")
    ]


def enum_value(statement: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge ALTER TYPE … ADD VALUE and RENAME VALUE."""
    name = dotted(statement.typeName)
    if statement.oldVal:
        safer = "add the new value, write it, rewrite the old one in batches, and leave it in place"
        return [
            Remark(
                Risk.DESTRUCTIVE, f"a value of {name} that the running release uses gets another name", safer
            )
        ]
    reason = f"the running release may read the new value of {name}, which it does not know; it cannot be taken away"
    return [
        Remark(Risk.ADDITIVE, reason, "write it only when no release that fails on it can be rolled back to")
    ]


def is_concurrent(statement: Any) -> bool:  # noqa: ANN401
    """Say whether REINDEX has its option CONCURRENTLY."""
    return is_on(statement.params, "concurrently")
