"""A dump of another database than the application uses: one without a table, or with those of somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.database.commands.empty_dump import parse_others
from tasks.database.live import database_engine, login_of
from tasks.host.read import read_manifest
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, Limits
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.pipeline import Backup
    from blocks.values.receipts import BackupReceipt
    from tasks.database.commands.empty_dump import OtherDatabases
    from tasks.kernel.protocols import Host
    from tasks.steps.run import Run

# Each address that leads nowhere takes five seconds.
_LIMITS = Limits(total_seconds=180, idle_seconds=180)


def explain_empty(run: Run, there: Host) -> str:
    """Say why it is right that a dump holds no table."""
    backup = run.policy.backup
    if backup is None:
        raise RuntimeError("a dump was looked at where the policy takes none")
    found, whole = _look(run, there, backup)
    migrating = run.description.migration.service if run.description.migration else ""
    what = f"backup: the dump of {_named(backup.database, backup.service)} on {there.name} has no table"
    agreed = backup.may_be_empty and backup.database is not None
    if other := found.against(migrating, agreed=agreed):
        raise TerminalError(
            f"{what}, while {other} has some: it is not known to be the application's database",
            "set backup.database (or backup.service) in pipeline.yaml to the one the application migrates; where that "
            "is the dumped one, name it in backup.database and set backup.may_be_empty to true; nothing was changed",
        )
    before = _last(run, there)
    if before is not None and before.holds and not backup.may_be_empty:
        raise TerminalError(
            f"{what}, while the one of {before.taken_at:%Y-%m-%d %H:%M} UTC had some: they are gone",
            f"find out who removed them, and restore {before.path} (docs/backups.md, restore by hand); where they were "
            "meant to go, set backup.may_be_empty to true in pipeline.yaml; nothing was changed",
        )
    why = found.why_empty(first=_is_first(run, there), migrating=migrating) if whole else ""
    if not why and backup.may_be_empty:
        why = "pipeline.yaml says so (backup.may_be_empty)"
    if not why:
        unknown = found.unknown[0] if found.unknown else "which database the application uses"
        raise TerminalError(
            f"{what}, and it is not known whether the application has some elsewhere ({unknown})",
            "set backup.database in pipeline.yaml to the database the application uses, or, where it really has no "
            "table yet, backup.may_be_empty to true; nothing was changed",
        )
    log().info("%s: the dump has no table: %s", there.name, why)
    return why


def refuse_other(run: Run, there: Host) -> None:
    """Refuse a dump that holds tables, where the service that migrates is seen to use another database."""
    backup, migration = run.policy.backup, run.description.migration
    if backup is None or migration is None:
        return
    running = read_manifest(there, run.directories[there.name])
    unversioned = running is not None and bool(running.release.revisions)
    other = _look(run, there, backup)[0].instead(migration.service, unversioned=unversioned)
    if other:
        raise TerminalError(
            f"backup: the dump of {_named(backup.database, backup.service)} on {there.name} holds tables that "
            f"are not known to be the application's: {other}",
            "set backup.database (or backup.service) in pipeline.yaml to the one the application migrates; where that "
            "is the dumped one, name it in backup.database; nothing was changed",
        )


def _look(run: Run, there: Host, backup: Backup) -> tuple[OtherDatabases, bool]:
    directory = run.directories[there.name]
    files = tuple(f"{directory}/{name}" for name in run.policy.env_files)
    argv = database_engine(run).dumps.other_databases(run.pipeline, backup.service, login_of(backup), files)
    result = there.run(Call(argv=argv, limits=_LIMITS))
    return parse_others(result.stdout), result.ok


def _named(database: str | None, service: str) -> str:
    return f"database {database} of service {service}" if database else f"service {service}'s database"


def _last(run: Run, there: Host) -> BackupReceipt | None:
    receipts = (one.receipt for one in run.ledger.backups.of(run.pipeline, run.environment))
    return next((one for one in receipts if one.host == there.name), None)


def _is_first(run: Run, there: Host) -> bool:
    return read_manifest(there, run.directories[there.name]) is None
