"""What is dropped, renamed, moved or taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import DropBehavior, ObjectType

from blocks.values.schema_changes import Risk
from tasks.database.postgresql.verdicts.migration_context import MigrationContext, Remark, Remarks
from tasks.database.postgresql.verdicts.tables import outside_transaction
from tasks.database.postgresql.verdicts.trees import dotted, is_on, relation_name, strings
from tasks.kernel.text import one_line

_LATER = "stop using it in a first release; drop it in a later one, when no release that uses it can be rolled back to"
# What no application names, so that it means nothing to its code.
_UNSEEN = frozenset({ObjectType.OBJECT_STATISTIC_EXT, ObjectType.OBJECT_EVENT_TRIGGER})
_ON_TABLES = frozenset({ObjectType.OBJECT_TRIGGER, ObjectType.OBJECT_RULE, ObjectType.OBJECT_POLICY})
# Their names are apart from those of tables and types: what the migration made under such a name is something else.
_ROUTINES = frozenset(
    {
        ObjectType.OBJECT_FUNCTION,
        ObjectType.OBJECT_PROCEDURE,
        ObjectType.OBJECT_ROUTINE,
        ObjectType.OBJECT_AGGREGATE,
        ObjectType.OBJECT_OPERATOR,
    }
)
_NAMES_ONLY = frozenset(
    {
        ObjectType.OBJECT_INDEX,
        ObjectType.OBJECT_TRIGGER,
        ObjectType.OBJECT_RULE,
        ObjectType.OBJECT_POLICY,
        ObjectType.OBJECT_DOMCONSTRAINT,
        ObjectType.OBJECT_STATISTIC_EXT,
        ObjectType.OBJECT_EVENT_TRIGGER,
    }
)


def dropped(statement: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401 - untyped trees
    """Judge DROP of anything."""
    kind = statement.removeType
    if kind == ObjectType.OBJECT_INDEX:
        yield from _dropped_index(statement, ground)
        return
    cascade = statement.behavior == DropBehavior.DROP_CASCADE
    for one in statement.objects or ():
        name = _object_name(one)
        owner = name.rpartition(".")[0] if kind in _ON_TABLES else name
        own = kind not in _ROUTINES and ground.is_new(owner)
        if kind in _UNSEEN or (own and not cascade):
            ground.new.discard(name)
            continue
        also = " with all that depends on it" if cascade else ""
        yield Remark(
            Risk.DESTRUCTIVE, f"{say(kind)} {one_line(name, 80)} is dropped{also}", _LATER, _table(kind, name)
        )


def _dropped_index(statement: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401
    if statement.concurrent:
        if ground.in_transaction:
            yield outside_transaction()
        return
    cascade = statement.behavior == DropBehavior.DROP_CASCADE
    yield Remark(
        Risk.DESTRUCTIVE if cascade else Risk.LOCKING,
        "its table is locked with reads and writes blocked until the transaction ends; queries and upserts that "
        "used the index lose it",
        "DROP INDEX CONCURRENTLY, outside of a transaction",
    )


def renamed(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge RENAME of anything."""
    kind = statement.renameType
    name = relation_name(statement.relation)
    if kind in _NAMES_ONLY:
        return []
    if kind == ObjectType.OBJECT_COLUMN and (name, statement.subname) in ground.fresh:
        ground.fresh[name, statement.newname] = ground.fresh.pop((name, statement.subname))
        return []
    if ground.is_new(name):
        _renamed_new(statement, name, ground)
        return []
    if kind == ObjectType.OBJECT_TABCONSTRAINT:
        reason = f"an upsert of the running release that names {statement.subname} (ON CONFLICT ON CONSTRAINT) fails"
        return [Remark(Risk.ADDITIVE, reason, "", name)]
    what = statement.subname or name or _object_name(statement.object)
    reason = f"{say(kind)} {one_line(what, 80)} has another name for the running release"
    safer = (
        "add the new one beside it, write both, move the readers, drop the old one in a later release; for a table "
        "a view under the new name does"
    )
    return [Remark(Risk.DESTRUCTIVE, reason, safer, name)]


def _renamed_new(statement: Any, name: str, ground: MigrationContext) -> None:  # noqa: ANN401
    if statement.subname is None:
        ground.new.discard(name)
        schema = name.rpartition(".")[0]
        ground.new.add(f"{schema}.{statement.newname}" if schema else statement.newname)


def moved(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge SET SCHEMA."""
    name = relation_name(statement.relation) or _object_name(statement.object)
    if ground.is_new(name):
        ground.new.discard(name)
        return []
    reason = f"{say(statement.objectType)} {one_line(name, 80)} is in another schema for the running release"
    safer = "create it in the new schema beside the old one, with a view in the old place"
    return [Remark(Risk.DESTRUCTIVE, reason, safer, relation_name(statement.relation))]


def granted(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge GRANT and REVOKE."""
    if statement.is_grant:
        return []
    objects = [one for one in getattr(statement, "objects", None) or () if isinstance(one, ast.RangeVar)]
    if objects and all(ground.is_new(relation_name(one)) for one in objects):
        return []
    safer = "revoke when no running release needs the right any more"
    return [Remark(Risk.DESTRUCTIVE, "the running release may lose a right it needs", safer)]


def truncated(statement: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401
    """Judge TRUNCATE."""
    for relation in statement.relations or ():
        name = relation_name(relation)
        if not ground.is_new(name) or statement.behavior == DropBehavior.DROP_CASCADE:
            reason = f"all rows of {ground.say_table(name)} are deleted"
            yield Remark(
                Risk.DESTRUCTIVE, reason, "keep the rows, or move them into another table first", name
            )


def domain(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge ALTER DOMAIN."""
    name = dotted(statement.typeName)
    if (
        ground.is_new(name)
        or statement.subtype in {"N", "X"}
        or (statement.subtype == "T" and statement.def_)
    ):
        return []
    if statement.subtype == "V":
        return [Remark(Risk.LOCKING, f"writes to all tables with {name} are blocked while they are scanned")]
    reason = f"values of {name} that the running release writes are refused"
    return [Remark(Risk.DESTRUCTIVE, reason, "make a second domain, and move the columns to it later")]


def sequence(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge ALTER SEQUENCE."""
    harmless = {"owned_by", "cache", "as"}
    name = relation_name(statement.sequence)
    if ground.is_new(name) or {str(one.defname) for one in statement.options or ()} <= harmless:
        return []
    reason = f"{name} continues at another number: numbers may occur twice or run out"
    return [Remark(Risk.OPAQUE, reason, "set it to a number above all that exist, and rehearse it on a copy")]


def extension(statement: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    """Judge ALTER EXTENSION."""
    reason = f"what the update of {statement.extname} changes is not known"
    return [Remark(Risk.OPAQUE, reason, "rehearse it on a copy with the running release")]


def rewritten(statement: Any, ground: MigrationContext) -> Iterator[Remark]:  # noqa: ANN401
    """Judge VACUUM and CLUSTER."""
    if isinstance(statement, ast.VacuumStmt):
        full = is_on(statement.options, "full")
        names = [relation_name(one.relation) for one in statement.rels or () if one.relation is not None]
        if statement.is_vacuumcmd and ground.in_transaction:
            yield outside_transaction()
    else:
        full, names = True, [relation_name(statement.relation)] if statement.relation else []
    if full and not (names and all(ground.is_new(name) for name in names)):
        what = ", ".join(ground.say_table(name) for name in names) or "every table"
        reason = f"{what} is rewritten with reads and writes blocked"
        yield Remark(Risk.LOCKING, reason, "plain VACUUM blocks nobody", names[0] if names else "")


def say(kind: ObjectType) -> str:
    """Return the word for a kind of object."""
    return {"tabconstraint": "constraint", "matview": "materialized view"}.get(
        kind.name.removeprefix("OBJECT_").lower(), kind.name.removeprefix("OBJECT_").lower().replace("_", " ")
    )


def _table(kind: ObjectType, name: str) -> str:
    if kind in _ON_TABLES:
        return name.rpartition(".")[0]
    return name if kind in {ObjectType.OBJECT_TABLE, ObjectType.OBJECT_FOREIGN_TABLE} else ""


def _object_name(node: Any) -> str:  # noqa: ANN401
    if isinstance(node, tuple):
        return ".".join(_object_name(one) for one in node)
    if isinstance(node, ast.ObjectWithArgs):
        return dotted(node.objname)
    if isinstance(node, ast.TypeName):
        return dotted(node.names)
    if isinstance(node, ast.String):
        return str(node.sval)
    return ".".join(strings((node,))) or "it"
