"""What services logged on a host, as the engine prints it."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from blocks.values.watch import RawLogs
from tasks.targets.compose.commands.service_logs import made, read_logs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import ContainerFact
    from tasks.host.app_host import AppHost
    from tasks.kernel.protocols import Limits


def read_raw_logs(
    app: AppHost,
    containers: tuple[ContainerFact, ...],
    since: Mapping[str, float],
    *,
    start_seconds: float,
    limits: Limits,
) -> RawLogs:
    """Read what containers logged; where asked, also what they logged when they were made: a new release says it again.

    Args:
        since: Container id → how many seconds to go back.
        start_seconds: How much of the beginning of each log is read as well; 0 for nothing.
    """
    until = {name: moment + timedelta(seconds=start_seconds) for name, moment in made(containers).items()}
    mark = f"sluice-{secrets.token_hex(16)}"
    argv = read_logs(
        mark, {name: int(seconds) + 1 for name, seconds in since.items()}, until if start_seconds else None
    )
    return RawLogs(app.name, containers, since, mark, app.ask(argv, limits=limits).stdout)
