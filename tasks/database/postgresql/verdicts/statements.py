"""Which judge each kind of statement has. What has none is opaque."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pglast import ast
from pglast.enums import TransactionStmtKind as Ts

from blocks.values.schema_changes import Risk
from tasks.database.postgresql.verdicts import created, data, gone
from tasks.database.postgresql.verdicts.migration_context import MigrationContext, Remark, Remarks
from tasks.database.postgresql.verdicts.tables import altered, outside_transaction
from tasks.database.postgresql.verdicts.trees import relation_name

Judge = Callable[[Any, MigrationContext], Remarks]


def remarks_on(statement: Any, ground: MigrationContext) -> tuple[Remark, ...]:  # noqa: ANN401 - untyped trees
    """Judge one statement."""
    judge = _JUDGES.get(type(statement))
    if judge is None:
        name = type(statement).__name__.removesuffix("Stmt")
        return (Remark(Risk.OPAQUE, f"what {name} does is not known", "rehearse it on a copy"),)
    return tuple(judge(statement, ground))


def _harmless(_statement: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    return []


def _program(statement: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    name = {ast.DoStmt: "DO block", ast.CallStmt: "procedure"}.get(type(statement), "program")
    return [Remark(Risk.OPAQUE, f"what the {name} does is not known", "write out its statements, one by one")]


def _destructive(reason: str, safer: str) -> Judge:
    return lambda _statement, _ground: [Remark(Risk.DESTRUCTIVE, reason, safer)]


def _opaque(reason: str) -> Judge:
    return lambda _statement, _ground: [
        Remark(Risk.OPAQUE, reason, "rehearse it on a copy with the running release")
    ]


def _transaction(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    kind = statement.kind
    if kind in {Ts.TRANS_STMT_BEGIN, Ts.TRANS_STMT_START}:
        ground.transaction_began()
    elif kind == Ts.TRANS_STMT_COMMIT:
        ground.transaction_ended()
    elif kind not in {Ts.TRANS_STMT_SAVEPOINT, Ts.TRANS_STMT_RELEASE}:
        return [Remark(Risk.OPAQUE, "what is undone, and what stays, is not known", "leave ROLLBACK out")]
    return []


def _setting(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    if statement.name == "session_replication_role":
        return [Remark(Risk.OPAQUE, "triggers and foreign keys are switched off", "leave them on")]
    if statement.name in {"search_path", "schema", None}:
        ground.forget()
    return []


def _lock(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    names = [relation_name(one) for one in statement.relations or ()]
    if names and all(ground.is_new(name) for name in names):
        return []
    what = ", ".join(ground.say_table(name) for name in names)
    return [Remark(Risk.LOCKING, f"{what} is locked until the transaction ends", "leave it out", names[0])]


def _reindex(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    if created.is_concurrent(statement):
        return [outside_transaction()] if ground.in_transaction else []
    name = relation_name(statement.relation)
    reason = (
        f"writes to {ground.say_table(name) if name else 'the tables'}, and reads by the index, are blocked"
    )
    return [Remark(Risk.LOCKING, reason, "REINDEX … CONCURRENTLY, outside of a transaction", name)]


def _refresh(statement: Any, ground: MigrationContext) -> Remarks:  # noqa: ANN401
    name = relation_name(statement.relation)
    if statement.concurrent or ground.is_new(name):
        return []
    reason = f"reads of {ground.say_table(name)} are blocked while it is computed"
    return [Remark(Risk.LOCKING, reason, "REFRESH MATERIALIZED VIEW CONCURRENTLY", name)]


def _move_all(_statement: Any, _ground: MigrationContext) -> Remarks:  # noqa: ANN401
    return [
        Remark(Risk.LOCKING, "tables are rewritten with reads and writes blocked", "move them one by one")
    ]


_RIGHTS = _destructive("the role of the running release may lose its rights", "grant it what it needs first")
_CHANGED = _destructive(
    "something the running release may use works differently",
    "create a second one beside it under a new name",
)
_GONE = _destructive(
    "something the running release may use is dropped",
    "drop it when no release that uses it can be rolled back to",
)
_RESOLVED = _opaque("expressions of the running release may mean something else")
_SETTINGS = _opaque("settings of the running release's sessions may change")

# Who judges which statements, by the names of their trees.
_STATEMENTS: dict[Judge, str] = {
    altered: "AlterTable",
    created.table: "Create CreateForeignTable",
    created.table_as: "CreateTableAs",
    created.index: "Index",
    created.view: "View",
    created.function: "CreateFunction",
    created.trigger: "CreateTrig Rule",
    created.policy: "CreatePolicy",
    created.schema: "CreateSchema",
    created.definition: "Define",
    created.type_: "CreateEnum CompositeType CreateRange",
    created.enum_value: "AlterEnum",
    created.publication: "CreatePublication AlterPublication",
    gone.dropped: "Drop",
    gone.renamed: "Rename",
    gone.moved: "AlterObjectSchema",
    gone.granted: "Grant GrantRole",
    gone.truncated: "Truncate",
    gone.domain: "AlterDomain",
    gone.sequence: "AlterSeq",
    gone.extension: "AlterExtension AlterExtensionContents",
    gone.rewritten: "Vacuum Cluster",
    data.written: "Insert Update Delete Merge",
    data.selected: "Select",
    _transaction: "Transaction",
    _setting: "VariableSet",
    _lock: "Lock",
    _reindex: "Reindex",
    _refresh: "RefreshMatView",
    _move_all: "AlterTableMoveAll",
    _RIGHTS: "AlterOwner ReassignOwned AlterRole",
    _GONE: "DropOwned DropRole Dropdb DropTableSpace DropSubscription DropUserMapping",
    _CHANGED: (
        "AlterFunction AlterPolicy AlterForeignServer AlterFdw AlterUserMapping AlterTSConfiguration "
        "AlterTSDictionary AlterType"
    ),
    _RESOLVED: "CreateCast AlterOperator AlterOpFamily",
    _SETTINGS: "AlterRoleSet AlterDatabaseSet AlterDatabase AlterSystem",
    _program: "Do Call Execute",
    _harmless: (
        "AlterCollation AlterDefaultPrivileges AlterObjectDepends AlterStats AlterTableSpaceOptions "
        "CheckPoint Comment ConstraintsSet CreateAm CreateConversion CreateDomain CreateExtension "
        "CreateFdw CreateForeignServer CreateOpClass CreateOpFamily CreatePLang CreateRole CreateSeq "
        "CreateStats CreateTableSpace CreateTransform CreateUserMapping Createdb Deallocate Discard "
        "ImportForeignSchema Listen Notify SecLabel Unlisten VariableShow"
    ),
}
_JUDGES: dict[type, Judge] = {
    getattr(ast, f"{name}Stmt"): judge for judge, names in _STATEMENTS.items() for name in names.split()
}
