"""ALTER TABLE and its kin, command by command, by PostgreSQL 17's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as At
from pglast.enums import DropBehavior, ObjectType

from blocks.values.schema_changes import Risk
from tasks.database.postgresql.verdicts.added_columns import added_column
from tasks.database.postgresql.verdicts.column_types import TypeChange, compare, type_of
from tasks.database.postgresql.verdicts.constraints import (
    added_constraint,
    dropped_constraint,
    not_null,
    references,
    validated,
)
from tasks.database.postgresql.verdicts.migration_context import MigrationContext, Remark, Remarks
from tasks.database.postgresql.verdicts.trees import is_null, is_on, relation_name, same_for_all_rows, strings

Command = Callable[[str, Any, MigrationContext], Remarks]

_LATER = "stop using it in a first release; drop it in a later one, when no release that uses it can be rolled back to"
# What only writes the catalogue and means nothing to the code that runs.
_CATALOGUE_ONLY = (
    "SetStatistics SetOptions ResetOptions SetStorage SetCompression ClusterOn DropCluster "
    "ResetRelOptions ReplicaIdentity AddOf DropOf DetachPartitionFinalize DisableRowSecurity "
    "NoForceRowSecurity"
)
_HARMLESS = frozenset(At[f"AT_{name}"] for name in _CATALOGUE_ONLY.split())
_REWRITES = {
    At.AT_SetLogged: "to log it",
    At.AT_SetUnLogged: "without a log: a crash of the server then empties it",
    At.AT_SetAccessMethod: "in another format",
    At.AT_SetTableSpace: "in another place",
}
_BREAKS = {
    At.AT_DropExpression: ("the column is no longer computed for the running release", _LATER),
    At.AT_SetExpression: (
        "the column is computed in another way, and the table is rewritten with reads and writes blocked",
        "add a second computed column, and move the readers",
    ),
    At.AT_DropIdentity: ("inserts that leave the column to its sequence are refused", _LATER),
    At.AT_ChangeOwner: (
        "the role of the running release may lose its rights",
        "GRANT the rights it needs to the role of the running release, and keep the owner",
    ),
    At.AT_EnableRowSecurity: (
        "rows without a policy for them disappear for the running release",
        "create the policies first, and enable row security when all running code is meant to have it",
    ),
    At.AT_ForceRowSecurity: (
        "rows without a policy for them disappear for the owner too",
        "create policies for the owner first",
    ),
    At.AT_DropInherit: ("its rows disappear from the parent table", _LATER),
    At.AT_DetachPartition: ("the rows of the partition disappear from the table", _LATER),
}
_TRIGGERS = frozenset(one for one in At if one.name.startswith(("AT_EnableTrig", "AT_DisableTrig"))) | {
    At.AT_EnableAlwaysTrig,
    At.AT_EnableReplicaTrig,
    At.AT_EnableRule,
    At.AT_EnableAlwaysRule,
    At.AT_EnableReplicaRule,
    At.AT_DisableRule,
}


def altered(statement: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401 - untyped trees
    """Judge ALTER TABLE, ALTER INDEX, ALTER VIEW and their kin."""
    table = relation_name(statement.relation)
    for command in statement.cmds or ():
        yield from _command(table, statement.objtype, command, ground)
    ground.locked.add(table)


def _command(table: str, kind: ObjectType, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    if kind == ObjectType.OBJECT_TYPE:
        return _composite(table, ground)
    if command.subtype in {At.AT_AttachPartition, At.AT_AddInherit}:
        return [] if kind == ObjectType.OBJECT_INDEX else _joined(table, command, ground)
    if ground.is_new(table):
        return _on_new_table(command)
    return _on_known_table(table, command, ground)


def _composite(name: str, ground: MigrationContext) -> Remarks:
    if ground.is_new(name):
        return []
    reason = "code that reads or writes whole values of the type meets another structure"
    return [Remark(Risk.DESTRUCTIVE, reason, "make a new type and a new column beside the old one", name)]


def _on_new_table(command: Any) -> Remarks:  # noqa: ANN401
    definition = command.def_
    found = (
        [definition]
        if isinstance(definition, ast.Constraint)
        else getattr(definition, "constraints", None) or ()
    )
    return [remark for one in found if getattr(one, "pktable", None) for remark in references(one)]


def _on_known_table(table: str, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    kind = command.subtype
    if kind in _HARMLESS:
        return []
    if kind in _REWRITES:
        reason = f"{ground.say_table(table)} is rewritten with reads and writes blocked, {_REWRITES[kind]}"
        return [
            Remark(Risk.LOCKING, reason, "do it at a quiet time, or copy into a new table in batches", table)
        ]
    if kind in _BREAKS:
        reason, safer = _BREAKS[kind]
        return [Remark(Risk.DESTRUCTIVE, reason, safer, table), *_unable_in_transaction(command, ground)]
    if kind in _TRIGGERS:
        reason = "triggers or rules change what the writes of the running release do"
        return [
            Remark(Risk.DESTRUCTIVE, reason, "change them when the code that relies on them is gone", table)
        ]
    judge = _JUDGES.get(kind)
    if judge is None:
        return [Remark(Risk.OPAQUE, f"{kind.name} is not known here", "look at it by hand", table)]
    return judge(table, command, ground)


def _unable_in_transaction(command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    concurrently = isinstance(command.def_, ast.PartitionCmd) and command.def_.concurrent
    return [outside_transaction()] if concurrently and ground.in_transaction else []


def outside_transaction() -> Remark:
    """Return the remark for a statement that PostgreSQL refuses within a transaction."""
    return Remark(
        Risk.LOCKING,
        "PostgreSQL refuses this within a transaction: the migration fails",
        "with Alembic: `with op.get_context().autocommit_block():`",
    )


def _add_column(table: str, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    yield from added_column(table, command.def_, ground)
    if command.missing_ok:
        # IF NOT EXISTS: it may be a column that the running release knows.
        ground.fresh.pop((table, str(command.def_.colname)), None)


def _drop_column(table: str, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    if ground.fresh.pop((table, command.name), None) is not None:
        return []
    return [Remark(Risk.DESTRUCTIVE, f"{command.name} is dropped with its values", _LATER, table)]


def _default(table: str, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    name = command.name
    gone = command.def_ is None or is_null(command.def_)
    fresh = ground.fresh.get((table, name))
    if fresh is not None and not (gone and fresh.required):
        equal = not gone and same_for_all_rows(command.def_)
        ground.fresh[table, name] = fresh._replace(filled=not gone, equal=equal)
        return []
    if gone:
        reason = f"{name} loses its default: where it is NOT NULL, inserts that leave it out are refused"
        safer = "keep the default until no release that leaves the column out can be rolled back to"
        return [Remark(Risk.DESTRUCTIVE, reason, safer, table)]
    return [
        Remark(
            Risk.ADDITIVE,
            f"inserts of the running release that leave out {name} get another value",
            "",
            table,
        )
    ]


def _drop_not_null(table: str, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    if (table, command.name) in ground.fresh:
        return []
    reason = (
        f"{command.name} may be empty from here on, which the running release may not expect when it reads"
    )
    return [Remark(Risk.ADDITIVE, reason, "", table)]


def _set_not_null(table: str, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    remark = not_null(table, command.name, ground)
    if (table, command.name) in ground.fresh:
        ground.fresh[table, command.name] = ground.fresh[table, command.name]._replace(required=True)
    return [remark]


def _type(table: str, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    new, old = type_of(command.def_.typeName), ground.type_now(table, command.name)
    fresh = (table, command.name) in ground.fresh
    using = _using(command)
    change = TypeChange.REWRITE if fresh else compare(old, new) if old else TypeChange.BREAK
    if using or command.def_.collClause:
        change = TypeChange.REWRITE if fresh else TypeChange.BREAK
    if change is TypeChange.NOTHING:
        reason = f"{command.name} becomes {new}: {ground.say_table(table)} is locked for a moment, nothing is rewritten"
        return [Remark(Risk.ADDITIVE, reason, "", table)]
    if change is TypeChange.REWRITE:
        reason = f"{ground.say_table(table)} is rewritten with reads and writes blocked, for {command.name} as {new}"
        safer = f"add a column of type {new}, fill it in batches, switch over, drop the old one later"
        return [Remark(Risk.LOCKING, reason, safer, table)]
    was = f"from {old} to {new}" if old else f"to {new}, from a type that is not known here"
    how = ", with newly computed values" if using else ""
    reason = (
        f"the type of {command.name} changes {was}{how}: values or code may not fit; the table is rewritten"
    )
    safer = f"add a second column of type {new}, write both, move the readers, drop the old column in a later release"
    return [Remark(Risk.DESTRUCTIVE, reason, safer, table)]


def _using(command: Any) -> bool:  # noqa: ANN401
    """Say whether USING computes something else than the plain cast to the new type."""
    using = command.def_.raw_default
    if using is None:
        return False
    while isinstance(using, ast.TypeCast) and type_of(using.typeName) == type_of(command.def_.typeName):
        using = using.arg
    return not (isinstance(using, ast.ColumnRef) and strings(using.fields) == (command.name,))


def _add_constraint(table: str, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    return added_constraint(table, command.def_, ground)


def _alter_constraint(table: str, command: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    change = command.def_
    looser = change.deferrable if change.alterDeferrability else not change.is_enforced
    if looser:
        return []
    reason = "a constraint becomes stricter: what the running release does may be refused"
    return [Remark(Risk.DESTRUCTIVE, reason, "change it when no running code relies on the old way", table)]


def _validate(table: str, _command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    return validated(table, ground)


def _drop_constraint(table: str, command: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    return [dropped_constraint(table, command.name, cascade=command.behavior == DropBehavior.DROP_CASCADE)]


def _identity(table: str, command: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    parts = command.def_ if isinstance(command.def_, tuple) else (command.def_,)
    always = any(
        str(getattr(part, "generated_when", "")) == "a" or _sets_always(part)
        for part in parts
        if part is not None
    )
    restarts = any(getattr(part, "defname", "") not in {"", "generated"} for part in parts)
    if not always and not restarts:
        return []
    reason = f"{command.name} is always generated: inserts that give it a value are refused"
    if not always:
        reason = f"the sequence of {command.name} changes: its numbers may occur twice"
    return [
        Remark(Risk.DESTRUCTIVE, reason, "GENERATED BY DEFAULT, which takes values that are given", table)
    ]


def _sets_always(part: Any) -> bool:  # noqa: ANN401
    value = getattr(getattr(part, "arg", None), "ival", None)
    return getattr(part, "defname", "") == "generated" and value == ord("a")


def _storage_options(table: str, command: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    options = command.def_
    if not any(is_on(options, name) for name in ("security_invoker", "security_barrier")):
        return []
    reason = "the view is read with other rights: the running release may see less, or be refused"
    return [
        Remark(Risk.DESTRUCTIVE, reason, "make a second view, and drop this one in a later release", table)
    ]


def _joined(table: str, command: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge ATTACH PARTITION and INHERIT."""
    attaches = command.subtype == At.AT_AttachPartition
    other = relation_name(command.def_.name if attaches else command.def_)
    parent, child = (table, other) if attaches else (other, table)
    if ground.is_new(child):
        return []
    if ground.is_new(parent) or not attaches:
        reason = (
            f"{child} becomes part of {parent}: rows it does not allow are refused, or appear where none were"
        )
        safer = "write to both tables for a while, and switch the readers over in a later release"
        return [Remark(Risk.DESTRUCTIVE, reason, safer, child)]
    reason = f"{ground.say_table(child)} is scanned with reads and writes blocked, to see that it fits into {parent}"
    safer = "give the partition a CHECK that says the same as its bounds first (NOT VALID, then VALIDATE)"
    return [Remark(Risk.LOCKING, reason, safer, child)]


_JUDGES: dict[At, Command] = {
    At.AT_AddColumn: _add_column,
    At.AT_DropColumn: _drop_column,
    At.AT_ColumnDefault: _default,
    At.AT_DropNotNull: _drop_not_null,
    At.AT_SetNotNull: _set_not_null,
    At.AT_AlterColumnType: _type,
    At.AT_AddConstraint: _add_constraint,
    At.AT_AlterConstraint: _alter_constraint,
    At.AT_ValidateConstraint: _validate,
    At.AT_DropConstraint: _drop_constraint,
    At.AT_AddIdentity: _identity,
    At.AT_SetIdentity: _identity,
    At.AT_SetRelOptions: _storage_options,
}
