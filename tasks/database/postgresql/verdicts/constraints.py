"""New constraints: the running release did not know them, so what it writes may be refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import ConstrType

from blocks.values.schema_changes import Risk
from tasks.database.postgresql.verdicts.migration_context import MigrationContext, Remark, Remarks
from tasks.database.postgresql.verdicts.trees import columns, functions, nodes_in, relation_name, strings

_CONTRACT = (
    "first release code that keeps the rule; add it when no release that breaks it can be rolled back to"
)
_UNIQUE_NAMES = {
    ConstrType.CONSTR_UNIQUE: "unique constraint",
    ConstrType.CONSTR_PRIMARY: "primary key",
    ConstrType.CONSTR_EXCLUSION: "exclusion constraint",
}
_NO_ACTION = frozenset({"a", "r", "\0", ""})


def added_constraint(table: str, constraint: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401 - untyped trees
    """Judge ALTER TABLE … ADD CONSTRAINT on a table that was there."""
    kind = constraint.contype
    if kind == ConstrType.CONSTR_FOREIGN:
        return _foreign_key(table, constraint, ground)
    if kind == ConstrType.CONSTR_CHECK:
        return _check(table, constraint, ground)
    if kind in _UNIQUE_NAMES:
        return _unique(table, constraint, ground)
    if kind == ConstrType.CONSTR_NOTNULL:
        return [not_null(table, strings(constraint.keys)[0] if constraint.keys else "", ground)]
    return [Remark(Risk.OPAQUE, "a constraint of a kind that is not known here", table=table)]


def not_null(table: str, column: str, ground: MigrationContext) -> Remark:
    """Judge SET NOT NULL on a column of a table that was there."""
    safer = (
        f"give {column} a default or have all running code fill it first; then ADD CHECK ({column} IS NOT NULL) "
        "NOT VALID, VALIDATE it, SET NOT NULL and drop the check"
    )
    fresh = ground.fresh.get((table, column))
    if fresh and fresh.filled:
        reason = f"{ground.say_table(table)} is scanned with reads and writes blocked"
        return Remark(Risk.LOCKING, reason, safer, table)
    return Remark(Risk.DESTRUCTIVE, f"{column} becomes NOT NULL: rows without it are refused", safer, table)


def references(constraint: Any) -> Iterator[Remark]:  # noqa: ANN401
    """Judge a foreign key of a new table or column by what it means for the table it refers to."""
    target = relation_name(constraint.pktable)
    if str(constraint.fk_del_action) in _NO_ACTION:
        yield Remark(
            Risk.ADDITIVE,
            f"{target} is locked for a moment; rows of it that new rows refer to can no longer be deleted",
            "ON DELETE CASCADE or SET NULL, where the running release deletes from it",
            target,
        )


def _foreign_key(table: str, constraint: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    names = strings(constraint.fk_attrs)
    target = relation_name(constraint.pktable)
    if not ground.is_fresh(table, names) or any(ground.fresh[table, name].filled for name in names):
        reason = f"a new foreign key from {', '.join(names)} to {target} refuses rows that have no match"
        reason += ", also with NOT VALID" if constraint.skip_validation else ""
        return [
            Remark(Risk.DESTRUCTIVE, reason, f"{_CONTRACT}, with NOT VALID and VALIDATE CONSTRAINT", table)
        ]
    if constraint.skip_validation:
        return references(constraint)
    return [
        Remark(
            Risk.LOCKING,
            f"writes to {ground.say_table(table)} and {ground.say_table(target)} are blocked while it is checked",
            "ADD CONSTRAINT … NOT VALID, then VALIDATE CONSTRAINT in a migration of its own",
            table,
        ),
        *references(constraint),
    ]


def _check(table: str, constraint: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    if not constraint.is_enforced:
        return [Remark(Risk.ADDITIVE, "the check is not enforced: no row is looked at", table=table)]
    names = columns(constraint.raw_expr)
    if ground.is_fresh(table, names) and passes_by_itself(table, constraint.raw_expr, ground):
        if constraint.skip_validation:
            return []
        return [
            Remark(
                Risk.LOCKING,
                f"{ground.say_table(table)} is scanned with reads and writes blocked",
                "ADD CONSTRAINT … NOT VALID, then VALIDATE CONSTRAINT in a migration of its own",
                table,
            )
        ]
    reason = "a new check refuses rows that do not pass it"
    reason += ", also with NOT VALID" if constraint.skip_validation else ""
    return [Remark(Risk.DESTRUCTIVE, reason, f"{_CONTRACT}, with NOT VALID and VALIDATE CONSTRAINT", table)]


def passes_by_itself(table: str, expression: Any, ground: MigrationContext) -> bool:  # noqa: ANN401
    """Say whether rows that do not name the added columns pass a check on these columns.

    With the same default in all of them the check fails at once or never. Without a value a comparison is NULL,
    which passes; what asks for NULL itself, or calls a function, may not.
    """
    names = columns(expression)
    if all(ground.fresh[table, name].filled for name in names):
        return ground.all_alike(table, names)
    asks = (ast.NullTest, ast.BooleanTest, ast.CoalesceExpr, ast.CaseExpr, ast.SubLink)
    return not functions(expression) and not _has(expression, asks)


def _unique(table: str, constraint: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    what = _UNIQUE_NAMES[constraint.contype]
    if constraint.indexname and constraint.contype == ConstrType.CONSTR_UNIQUE:
        return [
            Remark(
                Risk.ADDITIVE,
                f"{table} is locked for a moment; the index refused duplicates before",
                "",
                table,
            )
        ]
    names = strings(constraint.keys)
    if constraint.contype == ConstrType.CONSTR_UNIQUE and unique_by_itself(table, names, ground):
        return [
            Remark(
                Risk.LOCKING,
                f"{ground.say_table(table)} is blocked while the index is built",
                "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … UNIQUE USING INDEX",
                table,
            )
        ]
    about = f" on {', '.join(names)}" if names else ""
    safer = f"{_CONTRACT}; build it with CREATE UNIQUE INDEX CONCURRENTLY"
    reason = f"a new {what}{about} refuses rows that the running release may write"
    return [Remark(Risk.DESTRUCTIVE, reason, safer, table)]


def unique_by_itself(table: str, names: tuple[str, ...], ground: MigrationContext) -> bool:
    """Say whether rows that do not name the added columns cannot be doubles: empty ones, or each with its own value."""
    return ground.is_fresh(table, names) and not ground.all_alike(table, names)


def _has(root: Any, kinds: tuple[type, ...]) -> bool:  # noqa: ANN401
    return any(isinstance(node, kinds) or _is_distinct(node) for node in nodes_in(root))


def _is_distinct(node: Any) -> bool:  # noqa: ANN401
    return isinstance(node, ast.A_Expr) and "DISTINCT" in str(getattr(node.kind, "name", ""))


def validated(table: str, ground: MigrationContext) -> Remarks:
    """Judge VALIDATE CONSTRAINT, which blocks nobody where nothing else did before."""
    if not (ground.in_transaction and table in ground.locked):
        return []
    return [
        Remark(
            Risk.LOCKING,
            f"{ground.say_table(table)} is scanned while an earlier statement still has its lock",
            "validate in a migration of its own, so that the lock is gone",
            table,
        )
    ]


def dropped_constraint(table: str, name: str, *, cascade: bool) -> Remark:
    """Judge DROP CONSTRAINT on a table that was there."""
    if cascade:
        return Remark(
            Risk.DESTRUCTIVE,
            f"{name} is dropped with all that depends on it",
            "drop without CASCADE, each thing by its name, when nothing uses it any more",
            table,
        )
    return Remark(
        Risk.ADDITIVE,
        f"{name} no longer refuses anything; an upsert (ON CONFLICT) of the running release that needs it fails",
        "check whether any running code upserts by it, or relies on its ON DELETE",
        table,
    )
