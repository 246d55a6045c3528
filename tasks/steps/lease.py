"""The exclusive right to change one environment: taken, kept alive, given back."""

from __future__ import annotations

from blocks.values.receipts import StepReceipt
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.poll import poll
from tasks.kernel.protocols import Fence
from tasks.ledger.records import Lease
from tasks.steps.lease_keeper import TTL_SECONDS, LeaseKeeper
from tasks.steps.run import Run
from tasks.steps.step import fact, log


@fact("lease")
def take_lease(run: Run) -> StepReceipt:
    """Take the environment's lease and make its token the highest each host knows.

    Running it twice is safe: the same promotion takes its own lease again with a higher token, and
    waits on each host for what its earlier life left running.

    Raises:
        TerminalError: Another promotion holds the lease for longer than `timeouts.lease_wait`.
        FencedError: A host knows a higher token than the ledger gave out.
    """
    lease = _acquire(run, above=max(_fence_of(run, name) for name in run.hosts))
    run.keeper = LeaseKeeper(run.ledger, lease)
    for name, host in run.hosts.items():
        host.raise_fence(Fence(directory=run.directories[name], token=lease.token))
    log().info("lease of %s taken, token %s", run.environment, lease.token)
    return StepReceipt(text=f"token {lease.token}")


def _fence_of(run: Run, host: str) -> int:
    """Return the highest token a host knows; 0 for none."""
    text = (run.hosts[host].read_file(f"{run.directories[host]}/fence") or b"").strip()
    return int(text) if text.isdigit() else 0


def _acquire(run: Run, *, above: int) -> Lease:
    """Wait for the lease, telling who holds it."""
    told: set[str] = set()

    def ask() -> Lease:
        try:
            return run.ledger.leases.acquire(
                run.pipeline, run.environment, run.promotion_id, TTL_SECONDS, utc_now(), above=above
            )
        except TransientError as held:
            if held.what not in told:
                told.add(held.what)
                log().info("%s; waiting", held.what)
            raise

    try:
        return poll(ask, seconds=run.policy.timeouts.lease_wait, every=1, cured=(TransientError,))
    except TransientError as held:
        raise TerminalError(held.what, "start this promotion again when that one has ended") from None
