"""A dump without a table: right, or of another database than the application uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.adapters.protocols import Call, Limits
from tasks.commands.empty_dump import other_databases, parse_others
from tasks.errors import TerminalError
from tasks.reading import read_manifest
from tasks.step import log

if TYPE_CHECKING:
    from tasks.adapters.protocols import Host
    from tasks.run import Run

# Each address that leads nowhere takes five seconds.
_LIMITS = Limits(total_seconds=180, idle_seconds=180)


def explain_empty(run: Run, there: Host) -> str:
    """Say why it is right that a dump holds no table.

    Args:
        run: The promotion.
        there: The host that keeps the database.

    Returns:
        One line.

    Raises:
        TerminalError: Tables are elsewhere, or nobody can say that there are none.
    """
    backup = run.policy.backup
    if backup is None:
        raise RuntimeError("a dump was looked at where the policy takes none")
    argv = other_databases(run.pipeline, backup.service, backup.user or "", backup.database or "")
    result = there.run(Call(argv=argv, limits=_LIMITS))
    found = parse_others(result.stdout)
    what = f"backup: the dump of {_named(backup.database, backup.service)} on {there.name} holds no table"
    if found.full:
        raise TerminalError(
            f"{what}, while {found.full[0]} has some: it is not the application's database",
            "set backup.database (or backup.service) in pipeline.yaml to the one the application uses; "
            "nothing was changed",
        )
    why = "" if not result.ok else found.why_empty(first=_is_first(run, there))
    if not why and backup.may_be_empty:
        why = "pipeline.yaml says so (backup.may_be_empty)"
    if not why:
        unknown = found.unknown[0] if found.unknown else "which database the application uses"
        raise TerminalError(
            f"{what}, and it is not known whether the application has some elsewhere ({unknown})",
            "set backup.database in pipeline.yaml to the database the application uses, or, where it really has no "
            "table yet, backup.may_be_empty to true; nothing was changed",
        )
    log().info("%s: the dump holds no table: %s", there.name, why)
    return why


def _named(database: str | None, service: str) -> str:
    return f"database {database} of service {service}" if database else f"service {service}'s database"


def _is_first(run: Run, there: Host) -> bool:
    return read_manifest(there, run.directories[there.name]) is None
