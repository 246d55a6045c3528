"""The release's images on a host, before anything that runs there is touched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt
from tasks.adapters.protocols import Call, Limits
from tasks.commands.host_files import MISSING_IMAGES
from tasks.commands.scripts import login, script
from tasks.errors import TerminalError, TransientError
from tasks.step import log, step

if TYPE_CHECKING:
    from tasks.commands.compose import ComposeProject
    from tasks.run import Run

_PASSING = re.compile(
    r"timeout|connection refused|connection reset|temporary failure|tls handshake|\beof\b"
    r"|50[0234] (internal|bad|service|gateway)|too many requests",
    re.IGNORECASE,
)


# Compose reports every tick of every layer; a person wants what is done.
_TICKS = (
    "Extracting [",
    "Downloading [",
    "Waiting",
    "Verifying Checksum",
    "Pulling fs layer",
    "Download complete",
)


def _tell(line: str) -> None:
    if not any(tick in line for tick in _TICKS):
        log().info("%s", line.strip())


@step("pull", StepReceipt)
def pull(run: Run, *, host: str, project: ComposeProject, known: StepReceipt | None = None) -> StepReceipt:
    """Pull every image that will be started and is not on the host yet.

    Running it twice is safe: an image that is there is not pulled again. The registry's login is known to
    the host for this one command only.

    Args:
        run: The promotion.
        host: The host's name.
        project: The compose project on the new release's bundle.
        known: What was found out a moment ago under this very lease; it is not found out again. None for nothing.

    Returns:
        A line that says so.

    Raises:
        TransientError: The registry could not be reached.
        TerminalError: An image cannot be pulled; the registry's word is in the message. Nothing was started.
    """
    return known or pull_images(run, host=host, project=project)


def pull_images(run: Run, *, host: str, project: ComposeProject) -> StepReceipt:
    """Pull under the lease that is held; `pull` is the same as a step of the journal.

    Args:
        run: The promotion.
        host: The host's name.
        project: The compose project on the new release's bundle.

    Returns:
        A line that says so.

    Raises:
        TransientError: The registry could not be reached.
        TerminalError: An image cannot be pulled.
    """
    seconds = run.policy.timeouts.pull
    call = run.change(
        host,
        login(project.pull()),
        seconds=seconds,
        idle=seconds,
        stdin=run.registry_login.encode(),
    )
    result = run.hosts[host].run(call, on_line=_tell)
    if result.ok:
        return StepReceipt(text=f"{host}: all images are there")
    said = result.tail(1)
    missing = ", ".join(_missing(run, host, project)) or "an image"
    kind = TransientError if _PASSING.search(said) else TerminalError
    raise kind(
        f"pull: {host} cannot pull {missing}: {said}",
        "nothing was started; check the image's name, the registry and its login, then retry this run",
        result.tail(30),
    )


def _missing(run: Run, host: str, project: ComposeProject) -> tuple[str, ...]:
    """Name the images that are not on a host: compose blames every pull it cut short, whatever its image."""
    there, limits = run.hosts[host], Limits(60, 60)
    images = there.run(Call(argv=project.argv("config", "--images"), limits=limits)).stdout.split()
    lacking = there.run(Call(argv=script(MISSING_IMAGES, "sluice-images", *images), limits=limits))
    return tuple(dict.fromkeys(lacking.stdout.split()))
