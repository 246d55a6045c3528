"""What a host tells of itself, read without a flow around it. Nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from blocks.values.manifests import EARLIER_MANIFEST_FILE, MANIFEST_FILE, Manifest
from tasks.host.host_facts import CONTAINERS, RUNNING, parse_containers, parse_others
from tasks.host.scripts import script
from tasks.kernel.errors import TerminalError
from tasks.kernel.output import title
from tasks.kernel.poll import poll
from tasks.kernel.protocols import Call, Limits

if TYPE_CHECKING:
    from blocks.values.facts import ContainerFact
    from tasks.kernel.argv import Argv
    from tasks.kernel.protocols import Host

# A service manager starts an engine that crashed within seconds.
_ENGINE_SECONDS = 60.0
_LOOK_SECONDS = 2.0
QUICK = Limits(total_seconds=60, idle_seconds=60)


def answer_of(host: Host, argv: Argv, stdin: bytes | None = None, *, limits: Limits = QUICK) -> str:
    """Return what a command printed that decides what is kept: one that was ended before its end has told nothing."""
    result = host.run(Call(argv=argv, stdin=stdin, limits=limits))
    if not result.ok:
        raise TerminalError(
            f"{title(argv)} on {host.name} ended with status {result.exit_code}: {result.tail(1) or 'no word'}",
            "look at that host's memory and disk, then try again",
        )
    return result.stdout


def app_directory(host: Host, directory: str, pipeline: str) -> str:
    """Return the application's directory on a host as an absolute path."""
    if directory.startswith("/"):
        return f"{directory.rstrip('/')}/{pipeline}"
    home = host.run(Call(argv=("pwd",), limits=QUICK)).stdout.strip()
    return f"{home}/{directory.strip('/')}/{pipeline}"


def read_manifest(host: Host, directory: str, release_id: str | None = None) -> Manifest | None:
    """Read what a host remembers of a release.

    Args:
        release_id: The release; None for the one that is current.

    Raises:
        TerminalError: The file is there and is not a manifest.
    """
    path = f"{directory}/releases/{release_id}" if release_id else f"{directory}/current"
    for name in (MANIFEST_FILE, EARLIER_MANIFEST_FILE):
        text = host.read_file(f"{path}/{name}")
        if text is not None:
            return _parsed(text, f"{path}/{name}", host)
    return None


def _parsed(text: bytes, path: str, host: Host) -> Manifest:
    try:
        return Manifest.from_json(text)
    except ValidationError:
        raise TerminalError(
            f"{path} on {host.name} cannot be read",
            "it was changed by hand or written by a newer Sluice; restore it from another release's folder",
        ) from None


def no_manifest(directory: str, host: str) -> TerminalError:
    """Return the error of a release that runs and whose manifest is gone: what was written there is not known."""
    return TerminalError(
        f"{directory}/current on {host} has lost its manifest, so it is not known what runs there and what the "
        "application wrote into its folder",
        f"put that file back; or save what was written in {directory}/current, remove that link, and promote: it is as "
        "if nothing ran there before",
    )


def read_containers(host: Host, pipeline: str, *, looks: int = 0) -> tuple[ContainerFact, ...]:
    """Read the application's containers.

    Args:
        looks: Where one of them is starting, how often the host itself looks for a change before it answers, five
            times a second. A look of its own costs it a fifth of being asked.
    """
    patience = (str(looks),) if looks else ()
    return parse_containers(_ask_engine(host, script(CONTAINERS, "sluice-containers", pipeline, *patience)))


def read_others(host: Host, pipeline: str) -> tuple[ContainerFact, ...]:
    """Read the containers of a host that run and are none of the application's services.

    Returns:
        They, with their names in place of a service; but not the one that copies an application's data.
    """
    found = parse_others(_ask_engine(host, script(RUNNING, "sluice-running")), pipeline)
    return tuple(one for one in found if one.name != f"sluice-data-{pipeline}")


def _ask_engine(host: Host, argv: Argv) -> str:
    result = host.run(Call(argv=argv, limits=QUICK))
    if not result.ok:
        raise TerminalError(
            f"the Docker engine of {host.name} does not answer",
            "start it there and run this again",
            result.tail(),
        )
    return result.stdout


def await_containers(host: Host, pipeline: str) -> tuple[ContainerFact, ...]:
    """Read the application's containers, giving an engine that is down a moment to come back."""
    return poll(
        lambda: read_containers(host, pipeline),
        lambda _: True,
        seconds=_ENGINE_SECONDS,
        every=_LOOK_SECONDS,
        cured=(TerminalError,),
    )
