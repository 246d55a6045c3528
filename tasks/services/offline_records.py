"""What hosts remember of rollbacks that were made without the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from blocks.values.offline import OFFLINE_FOLDER, RECORDED_SUFFIX, OfflineRollback
from blocks.values.receipts import StepReceipt
from tasks.kernel.errors import TerminalError
from tasks.kernel.lines import lines
from tasks.kernel.protocols import Call, Limits
from tasks.steps.step import fact, log
from tasks.targets.compose.commands.drift import unrecorded

if TYPE_CHECKING:
    from tasks.steps.run import Run

_QUICK = Limits(total_seconds=60, idle_seconds=60)


@fact("read offline rollbacks")
def read_offline(run: Run, host: str) -> tuple[OfflineRollback, ...]:
    """Read what a host remembers of rollbacks that the ledger does not know yet.

    Running it twice is safe: it only reads.

    Args:
        run: A look at the environment.

    Returns:
        The rollbacks, oldest first; a file that cannot be read is told in the log and left.

    Raises:
        TransientError: The host does not answer.
    """
    there = run.hosts[host]
    folder = f"{run.directories[host]}/{OFFLINE_FOLDER}"
    names = lines(there.run(Call(argv=unrecorded(folder), limits=_QUICK)).stdout)
    found: list[OfflineRollback] = []
    for name in names:
        text = there.read_file(f"{folder}/{name}")
        if text is None:
            continue
        try:
            found.append(OfflineRollback.from_json(text))
        except ValidationError:
            log().warning("%s: %s/%s cannot be read; it is left as it is", host, folder, name)
    return tuple(sorted(found, key=lambda one: one.id))


@fact("mark recorded")
def mark_recorded(run: Run, *, host: str, identifier: str) -> StepReceipt:
    """Rename what a host remembers of a rollback, now that the ledger has it.

    Running it twice is safe: what was renamed is left. It needs no lease: nothing that runs is touched.

    Args:
        run: A look at the environment.

    Returns:
        A line that says so.

    Raises:
        TerminalError: The file cannot be renamed.
    """
    there = run.hosts[host]
    path = f"{run.directories[host]}/{OFFLINE_FOLDER}/{identifier}"
    renamed = there.run(
        Call(argv=("mv", "-f", "--", f"{path}.json", f"{path}{RECORDED_SUFFIX}"), limits=_QUICK)
    )
    if not renamed.ok and there.read_file(f"{path}.json") is not None:
        raise TerminalError(
            f"{path}.json on {host} cannot be renamed: {renamed.tail(1)}", "check the folder's permissions"
        )
    return StepReceipt(text=f"{host}: {identifier} is in the ledger")
