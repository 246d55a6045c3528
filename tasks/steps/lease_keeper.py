"""Keeps a lease for as long as its run lives."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tasks.kernel.clock import utc_now
from tasks.kernel.errors import FencedError, TransientError

if TYPE_CHECKING:
    from tasks.ledger.records import Lease
    from tasks.ledger.store import Ledger

TTL_SECONDS = 60.0


class LeaseKeeper:
    """Renews a lease after each third of its lifetime, in the background, for as long as the run lives."""

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
