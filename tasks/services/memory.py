"""What the database of an environment says of itself, for when the hosts alone are left to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.host.host_facts import IN_SERVICE, SCHEMA_FACTS, parse_schema
from tasks.host.read import QUICK
from tasks.host.scripts import script
from tasks.kernel.protocols import Call

if TYPE_CHECKING:
    from tasks.steps.site import Site


def read_applied(site: Site, host: str) -> tuple[str, ...] | None:
    """Ask the database which migrations it stands at.

    Args:
        host: The host that keeps the database.

    Returns:
        The revisions, sorted; None where the database does not answer or keeps none in Alembic's way.
    """
    backup = site.policy.backup
    if backup is None or backup.command is not None:
        return None
    inside = ("sh", "-c", SCHEMA_FACTS, "sluice", backup.user or "", backup.database or "")
    argv = script(IN_SERVICE, "sluice-service", site.pipeline, backup.service, *inside)
    result = site.hosts[host].run(Call(argv=argv, limits=QUICK))
    revision, _ = parse_schema(result.stdout) if result.ok else (None, None)
    return tuple(revision.split(",")) if revision else None
