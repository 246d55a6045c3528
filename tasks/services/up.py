"""Starting a release on a host, and starting the one before it again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt, UpReceipt
from tasks.steps.step import step

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from tasks.steps.run import Run


def _start(run: Run, host: str, manifest: Manifest, left: Manifest | None = None) -> UpReceipt:
    began = time.monotonic()
    run.target(host).start(manifest, left=left)
    return UpReceipt(host=host, services=manifest.services, seconds=time.monotonic() - began)


@step("up", UpReceipt)
def up(run: Run, *, host: str, manifest: Manifest, left: Manifest | None = None) -> UpReceipt:
    """Switch a host to a release: make its bundle current and start what changed.

    Running it twice is safe: only what does not run as described is started, and what an earlier try left half
    replaced is put right first.

    Args:
        left: The release whose data goes along; None for nobody's.

    Raises:
        TerminalError: The data could not be carried over, or a service did not become healthy, ended, or restarts
            again and again.
    """
    return _start(run, host, manifest, left)


@step("restore", UpReceipt)
def restore(run: Run, *, host: str, manifest: Manifest) -> UpReceipt:
    """Start the release that ran before again, after the new one failed.

    Running it twice is safe, like `up`.

    Raises:
        TerminalError: It does not come up either.
    """
    # What failed may have been the engine, which is on its way back.
    run.target(host).read_services(patient=True)
    return _start(run, host, manifest)


@step("revive", UpReceipt)
def revive(run: Run, *, host: str, manifest: Manifest, services: tuple[str, ...]) -> UpReceipt:
    """Start services of the running release that ran when the promotion began and do not any more.

    Running it twice is safe: what runs is left alone.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The engine does not come back, or a service does not become healthy.
    """
    began = time.monotonic()
    started = run.target(host).start_stopped(manifest, services)
    return UpReceipt(host=host, services=started, seconds=time.monotonic() - began)


@step("stop", StepReceipt)
def stop(run: Run, *, host: str, manifest: Manifest) -> StepReceipt:
    """Stop a release that failed where nothing ran before. Containers and volumes stay for a look.

    Running it twice is safe: what is stopped stays stopped.
    """
    return StepReceipt(text=f"{host}: {run.target(host).stop(manifest)}")
