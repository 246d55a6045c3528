"""What a host remembers of rollbacks that were made without the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from blocks.values.offline import OFFLINE_FOLDER, RECORDED_SUFFIX, OfflineRollback
from tasks.kernel.errors import TerminalError
from tasks.kernel.lines import lines
from tasks.kernel.logs import log
from tasks.targets.compose.commands.drift import unrecorded

if TYPE_CHECKING:
    from tasks.host.app_host import AppHost


def read_rollbacks(app: AppHost) -> tuple[OfflineRollback, ...]:
    """Read the rollbacks that the ledger does not know yet; a file that cannot be read is logged and left."""
    folder = f"{app.directory}/{OFFLINE_FOLDER}"
    found: list[OfflineRollback] = []
    for name in lines(app.ask(unrecorded(folder)).stdout):
        text = app.host.read_file(f"{folder}/{name}")
        if text is None:
            continue
        try:
            found.append(OfflineRollback.from_json(text))
        except ValidationError:
            log().warning("%s: %s/%s cannot be read; it is left as it is", app.name, folder, name)
    return tuple(sorted(found, key=lambda one: one.id))


def write_rollback(app: AppHost, record: OfflineRollback) -> None:
    """Write down a rollback; without the fence, because what was done is so even where another run took over."""
    app.host.write_file(f"{app.directory}/{OFFLINE_FOLDER}/{record.id}.json", record.to_json().encode())


def mark_recorded(app: AppHost, identifier: str) -> None:
    """Rename what is remembered of a rollback, now that the ledger has it. It needs no lease: nothing runs on it.

    Raises:
        TerminalError: The file cannot be renamed.
    """
    path = f"{app.directory}/{OFFLINE_FOLDER}/{identifier}"
    renamed = app.ask(("mv", "-f", "--", f"{path}.json", f"{path}{RECORDED_SUFFIX}"))
    if not renamed.ok and app.host.read_file(f"{path}.json") is not None:
        raise TerminalError(
            f"{path}.json on {app.name} cannot be renamed: {renamed.tail(1)}",
            "check the folder's permissions",
        )
