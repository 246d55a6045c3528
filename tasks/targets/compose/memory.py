"""What a host remembers by itself, for when it alone is left to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.offline import LIVE_FILE
from tasks.host.scripts import EXIT_MISSING
from tasks.kernel.errors import TerminalError
from tasks.kernel.lines import lines
from tasks.targets.compose.commands.offline import parse_survey, remember, survey

if TYPE_CHECKING:
    from blocks.values.offline import HostMemory, LiveRelease
    from tasks.host.app_host import AppHost


def read_memory(app: AppHost) -> HostMemory:
    """Read all that a host remembers of the application, in one round trip.

    Raises:
        TerminalError: It knows nothing of the application.
    """
    directory = app.directory
    result = app.ask(survey(directory))
    if result.exit_code == EXIT_MISSING:
        raise TerminalError(
            f"there is no folder {directory} on {app.name}", "nothing was ever promoted there"
        )
    if not result.ok:
        raise TerminalError(f"{directory} on {app.name} cannot be read", "check it there", result.tail())
    return parse_survey(result.stdout)


def read_live(app: AppHost) -> tuple[LiveRelease, ...]:
    """Read the releases that ran on a host, oldest first; what cannot be read is left out."""
    text = app.host.read_file(f"{app.directory}/{LIVE_FILE}") or b""
    told = lines(text.decode("utf-8", "replace"))
    return parse_survey("".join(f"live={line}\n" for line in told)).live


def append_live(app: AppHost, live: tuple[LiveRelease, ...]) -> None:
    """Add the newest of the releases that ran to what a host remembers; all of them where it remembers none.

    Args:
        live: The releases that ran, oldest first.
    """
    known = app.host.read_file(f"{app.directory}/{LIVE_FILE}")
    number = live[-1].promotion_id
    told = (known or b"").decode("utf-8", "replace")
    if number is not None and f'"promotion_id":{number},' in told:
        return
    text = "".join(f"{one.to_json()}\n" for one in (live[-1:] if known else live))
    result = app.change(remember(app.directory), seconds=60, stdin=text.encode())
    if not result.ok:
        raise TerminalError(f"{LIVE_FILE} could not be written: {result.tail(1)}", "is the disk full?")
