"""Starting again what a fault stopped of the release that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.receipts import UpReceipt
from tasks.services.start import start_stopped
from tasks.steps.step import step

if TYPE_CHECKING:
    from tasks.host.compose import ComposeProject
    from tasks.steps.run import Run


@step("revive", UpReceipt)
def revive(run: Run, *, host: str, project: ComposeProject, services: tuple[str, ...]) -> UpReceipt:
    """Start services of the running release that ran when the promotion began and do not any more.

    An engine that was killed takes down the containers it finds when it is back, and leaves those with
    `restart: unless-stopped` down. Containers that are there are started as they are, never made anew.

    Running it twice is safe: what runs is left alone.

    Args:
        run: The promotion, holding the lease.
        project: The compose project on the running release's bundle.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The engine does not come back, or a service does not become healthy.
    """
    return start_stopped(run, host=host, project=project, services=services)
