"""What is true on a host, for comparison with the ledger. Nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.drift import HostState
from tasks.host.files import parse_files
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, Limits
from tasks.targets.compose.commands.drift import all_containers, bundle_files, parse_all_containers
from tasks.targets.compose.facts import read_facts
from tasks.targets.target.protocol import OVERRIDE

if TYPE_CHECKING:
    from blocks.values.drift import OtherContainer
    from tasks.host.app_host import AppHost
    from tasks.kernel.protocols import Host

# Checksums of a bundle with much in it take longer than a question.
_PATIENT = Limits(total_seconds=300, idle_seconds=300)


def read_state(app: AppHost) -> HostState:
    """Read what a host runs, its current bundle's checksums, and every container on it."""
    facts = read_facts(app)
    override = app.host.read_file(f"{app.directory}/current/{OVERRIDE}")
    return HostState(
        facts=facts,
        containers=list_containers(app.host),
        files=parse_files(_answer(app.host, bundle_files(app.directory))),
        override=(override or b"").decode("utf-8", "replace"),
    )


def list_containers(host: Host) -> tuple[OtherContainer, ...]:
    """List every container of a host, whoever started it, ended ones too.

    Raises:
        TerminalError: The engine does not answer.
    """
    return parse_all_containers(_answer(host, all_containers()))


def _answer(host: Host, argv: tuple[str, ...]) -> str:
    result = host.run(Call(argv=argv, limits=_PATIENT))
    if not result.ok:
        raise TerminalError(
            f"{host.name} does not report what is on it: {result.tail(2)}",
            "see what is wrong with its engine",
        )
    return result.stdout
