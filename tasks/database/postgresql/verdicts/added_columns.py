"""ALTER TABLE … ADD COLUMN: additive when rows of the running release need nothing for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast.enums import ConstrType

from blocks.values.schema_changes import Risk
from tasks.database.postgresql.verdicts.constraints import passes_by_itself, references
from tasks.database.postgresql.verdicts.migration_context import FreshColumn, MigrationContext, Remark
from tasks.database.postgresql.verdicts.trees import columns, is_null, may_refuse, same_for_all_rows, strings

_SERIAL = frozenset({"smallserial", "serial", "bigserial", "serial2", "serial4", "serial8"})
_STORED = "s"


def added_column(table: str, definition: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401 - untyped trees
    """Judge a column that is added to a table that was there, and note it as fresh."""
    kinds = {one.contype: one for one in definition.constraints or ()}
    name = str(definition.colname)
    fresh = _fresh(definition, kinds)
    ground.fresh[table, name] = fresh
    if fresh.required and not fresh.filled:
        yield _required(table, name)
    if fresh.filled and _rewrites(definition, kinds):
        yield _rewritten(table, name, ground)
    generated = kinds.get(ConstrType.CONSTR_GENERATED)
    if generated is not None and may_refuse(generated.raw_expr):
        yield _may_fail(table, name)
    for constraint in definition.constraints or ():
        yield from _column_constraint(table, name, constraint, ground)


def _fresh(definition: Any, kinds: dict[ConstrType, Any]) -> FreshColumn:  # noqa: ANN401
    required = ConstrType.CONSTR_NOTNULL in kinds or ConstrType.CONSTR_PRIMARY in kinds
    if ConstrType.CONSTR_GENERATED in kinds or ConstrType.CONSTR_IDENTITY in kinds or _is_serial(definition):
        return FreshColumn(filled=True, equal=False, required=required)
    default = kinds.get(ConstrType.CONSTR_DEFAULT)
    if default is None or is_null(default.raw_expr):
        return FreshColumn(filled=False, equal=False, required=required)
    return FreshColumn(filled=True, equal=same_for_all_rows(default.raw_expr), required=required)


def _rewrites(definition: Any, kinds: dict[ConstrType, Any]) -> bool:  # noqa: ANN401
    generated = kinds.get(ConstrType.CONSTR_GENERATED)
    if generated is not None:
        return str(generated.generated_kind) == _STORED
    if ConstrType.CONSTR_IDENTITY in kinds or _is_serial(definition):
        return True
    return not same_for_all_rows(kinds[ConstrType.CONSTR_DEFAULT].raw_expr)


def _is_serial(definition: Any) -> bool:  # noqa: ANN401
    return bool(_SERIAL.intersection(strings(definition.typeName.names)[-1:]))


def _required(table: str, name: str) -> Remark:
    return Remark(
        Risk.DESTRUCTIVE,
        f"{name} is NOT NULL without a default: inserts of the running release are refused",
        f"add {name} with a constant default, or nullable now and NOT NULL once every running release fills it",
        table,
    )


def _may_fail(table: str, name: str) -> Remark:
    return Remark(
        Risk.DESTRUCTIVE,
        f"rows for which {name} cannot be computed are refused",
        f"add {name} as a plain column and fill it in code, or compute it from what every release writes",
        table,
    )


def _rewritten(table: str, name: str, ground: MigrationContext) -> Remark:
    return Remark(
        Risk.LOCKING,
        f"{ground.say_table(table)} is rewritten with reads and writes blocked, to give each row its own {name}",
        f"add {name} without a default, set the default in a second statement, and fill old rows in small batches",
        table,
    )


def _column_constraint(table: str, name: str, constraint: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401
    fresh = ground.fresh[table, name]
    kind = constraint.contype
    if kind in {ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_PRIMARY}:
        yield _unique_column(table, name, fresh, ground)
    elif kind == ConstrType.CONSTR_FOREIGN:
        if fresh.filled:
            yield _scanned(table, name, ground)
        yield from references(constraint)
    elif kind == ConstrType.CONSTR_CHECK and constraint.is_enforced:
        yield _checked_column(table, name, constraint, ground)


def _unique_column(table: str, name: str, fresh: FreshColumn, ground: MigrationContext) -> Remark:
    if fresh.filled and fresh.equal:
        reason = f"{name} is unique and has one default: a second row of the running release is refused"
        return Remark(Risk.DESTRUCTIVE, reason, f"add {name} nullable and without a default", table)
    return Remark(
        Risk.LOCKING,
        f"{ground.say_table(table)} is blocked while the index on {name} is built",
        "add the column first, then CREATE UNIQUE INDEX CONCURRENTLY",
        table,
    )


def _checked_column(table: str, name: str, constraint: Any, ground: MigrationContext) -> Remark:  # noqa: ANN401
    if columns(constraint.raw_expr) == {name} and passes_by_itself(table, constraint.raw_expr, ground):
        return _scanned(table, name, ground)
    return Remark(
        Risk.DESTRUCTIVE,
        f"the check on {name} refuses rows that do not pass it",
        "first release code that keeps the rule; add the check when no release that breaks it can be rolled back to",
        table,
    )


def _scanned(table: str, name: str, ground: MigrationContext) -> Remark:
    return Remark(
        Risk.LOCKING,
        f"{ground.say_table(table)} is scanned with reads and writes blocked, to check {name}",
        "add the constraint afterwards with NOT VALID, and VALIDATE it in a migration of its own",
        table,
    )
