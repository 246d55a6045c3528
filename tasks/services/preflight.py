"""What must be true of a host before anything on it is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt
from tasks.steps.step import fact

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from tasks.steps.run import Run


@fact("preflight")
def preflight(run: Run, *, host: str, ports: frozenset[int], needed_bytes: int) -> StepReceipt:
    """Check a host before the first change: engine, compose, disk, ports.

    Running it twice is safe: it only reads.

    Args:
        needed_bytes: Space the promotion needs there, beyond a reserve.

    Raises:
        RefusedError: Something is not as it must be; the message lists everything.
    """
    return StepReceipt(text=f"{host}: {run.target(host).check(ports=ports, needed_bytes=needed_bytes)}")


@fact("check compose")
def check_compose(run: Run, *, host: str, manifest: Manifest, kept: bool) -> StepReceipt:
    """Have the host's own compose read the release's bundle with the host's env file.

    Running it twice is safe: it only reads.

    Args:
        kept: True for a bundle that lies there since an earlier promotion, whose files are compared; False for one
            that was compared when it was put there a moment ago.

    Raises:
        RefusedError: The configuration is refused; or a file of the bundle is not what was put there, it is named.
    """
    run.target(host).check_release(manifest, kept=kept)
    return StepReceipt(text=f"{host}: the compose configuration is valid")
