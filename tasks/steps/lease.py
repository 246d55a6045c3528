"""The exclusive right to change one environment: taken, kept alive, given back."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt
from tasks.kernel.errors import FencedError, TerminalError, TransientError
from tasks.kernel.protocols import Fence
from tasks.ledger.records import Lease
from tasks.steps.run import Run, utc_now
from tasks.steps.step import fact, log

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger

TTL_SECONDS = 60.0


class LeaseKeeper:
    """Renews a lease in the background for as long as the run lives.

    Args:
        ledger: Where the lease is kept.
        lease: The lease as taken.
        ttl_seconds: Its lifetime; it is renewed after a third of it.
    """

    def __init__(self, ledger: Ledger, lease: Lease, ttl_seconds: float = TTL_SECONDS) -> None:
        self._ledger = ledger
        self._lease = lease
        self._ttl = ttl_seconds
        self._lost = ""
        self._valid_until = time.monotonic() + ttl_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    @property
    def kept(self) -> bool:
        """True until the lease is given back; `token` says whether it is still ours."""
        return not self._stop.is_set()

    def token(self) -> int:
        """Return the fencing token.

        Raises:
            FencedError: The lease was lost, or could not be renewed before it ran out.
        """
        if self._lost:
            raise FencedError(self._lost, "start the promotion again; this run changes nothing more")
        if time.monotonic() >= self._valid_until:
            raise FencedError(
                "the lease ran out: the ledger could not be reached to renew it",
                "start the promotion again once the ledger answers",
            )
        return self._lease.token

    def _renew(self) -> None:
        while not self._stop.wait(self._ttl / 3):
            asked = time.monotonic()
            try:
                self._lease = self._ledger.leases.renew(self._lease, self._ttl, utc_now())
                self._valid_until = asked + self._ttl
            except FencedError as error:
                self._lost = error.what
                return
            except TransientError:
                continue

    def stop(self) -> None:
        """Stop renewing and give the lease back."""
        self._stop.set()
        self._thread.join(timeout=5)
        if not self._lost:
            self._ledger.leases.release(self._lease, utc_now())


@fact("lease")
def take_lease(run: Run) -> StepReceipt:
    """Take the environment's lease and make its token the highest each host knows.

    Running it twice is safe: the same promotion takes its own lease again with a higher token, and
    waits on each host for what its earlier life left running.

    Args:
        run: The promotion; its `keeper` is set.

    Returns:
        A line naming the token.

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
    deadline = time.monotonic() + run.policy.timeouts.lease_wait
    told = ""
    while True:
        try:
            return run.ledger.leases.acquire(
                run.pipeline, run.environment, run.promotion_id, TTL_SECONDS, utc_now(), above=above
            )
        except TransientError as held:
            if time.monotonic() >= deadline:
                raise TerminalError(held.what, "start this promotion again when that one has ended") from None
            if held.what != told:
                told = held.what
                log().info("%s; waiting", held.what)
            time.sleep(1)
