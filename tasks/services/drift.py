"""What is true on a host, for comparison with the ledger. Nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.drift import HostState
from tasks.host.files import parse_files
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, Limits
from tasks.services.commands.drift import all_containers, bundle_files, parse_all_containers
from tasks.services.facts import read_host
from tasks.services.stage import OVERRIDE
from tasks.steps.step import fact

if TYPE_CHECKING:
    from blocks.values.drift import OtherContainer
    from tasks.kernel.protocols import Host
    from tasks.steps.run import Run

# Checksums of a bundle with much in it take longer than a question.
_PATIENT = Limits(total_seconds=300, idle_seconds=300)


@fact("read state")
def read_state(run: Run, host: str) -> HostState:
    """Read what a host runs, its current bundle's checksums, and every container on it.

    Running it twice is safe: it only reads.

    Args:
        run: A look at the environment; its promotion is 0.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The login was refused, the host key is another one, or the engine is down.
    """
    there, directory = run.hosts[host], run.directories[host]
    facts = read_host.fn(run, host)
    override = there.read_file(f"{directory}/current/{OVERRIDE}")
    return HostState(
        facts=facts,
        containers=list_containers(there),
        files=parse_files(_answer(there, bundle_files(directory))),
        override=(override or b"").decode("utf-8", "replace"),
    )


def list_containers(host: Host) -> tuple[OtherContainer, ...]:
    """List every container of a host, whoever started it.

    Returns:
        The containers, ended ones too.

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
