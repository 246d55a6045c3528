"""What revision and size the live database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.host.host_facts import IN_SERVICE, NOT_RUNNING, SCHEMA_FACTS, parse_schema
from tasks.host.read import QUICK
from tasks.host.scripts import script
from tasks.kernel.logs import log
from tasks.kernel.protocols import Call

if TYPE_CHECKING:
    from tasks.kernel.protocols import Host
    from tasks.steps.run import Run


def read_schema(run: Run, host: Host) -> tuple[bool, str | None, int | None]:
    """Read the database's schema revision and size from its container.

    Args:
        host: The host that keeps the database.

    Returns:
        Whether the database's container runs, its revision and its size in bytes.
    """
    backup = run.policy.backup
    if backup is None or backup.command is not None:
        return False, None, None
    argv = script(
        IN_SERVICE,
        "sluice-service",
        run.pipeline,
        backup.service,
        "sh",
        "-c",
        SCHEMA_FACTS,
        "sluice",
        backup.user or "",
        backup.database or "",
    )
    result = host.run(Call(argv=argv, limits=QUICK))
    if result.exit_code == NOT_RUNNING:
        return False, None, None
    if not result.ok:
        log().warning(
            "%s: the database does not answer questions about its schema: %s", host.name, result.tail(2)
        )
        return True, None, None
    return True, *parse_schema(result.stdout)
