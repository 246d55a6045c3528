"""The leases: who may change an environment, until when, with which fencing token.

The technique is Martin Kleppmann's (How to do distributed locking, 2016): a lock that expires is safe only
with a token that grows and that the changed thing itself checks.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import case, or_

from tasks.kernel.errors import FencedError
from tasks.ledger.errors import Conflict, LeaseHeld
from tasks.ledger.models import LEASES
from tasks.ledger.records import Lease
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

_ROW = LEASES.c


class Leases(Rows[Lease]):
    """The leases of a ledger's environments."""

    table = LEASES
    kind = Lease

    def acquire(
        self,
        pipeline: str,
        environment: str,
        owner: int,
        ttl_seconds: float,
        now: datetime,
        *,
        above: int = 0,
    ) -> Lease:
        """Take a lease that is free, expired, or this promotion's own already; the token grows each time.

        The token is at least the present time in seconds, so that a ledger made anew, or a host whose fence
        was raised while the ledger was down, never sees a token a second time.

        Args:
            above: The highest token a host knows: an offline rollback raises it without the ledger, by the clock
                of another machine.

        Raises:
            LeaseHeld: Another promotion has it.
        """
        least = max(int(now.timestamp()), above + 1)
        taken = {"owner": owner, "acquired_at": now, "expires_at": now + timedelta(seconds=ttl_seconds)}
        lease = self._change_one(
            *_place(pipeline, environment),
            or_(_ROW.owner.is_(None), _ROW.owner == owner, _ROW.expires_at <= now),
            token=case((_ROW.token < least, least), else_=_ROW.token + 1),
            **taken,
        )
        try:
            # The environment's first lease, unless there is one that could not be taken.
            return lease or self._add(pipeline=pipeline, environment=environment, token=least, **taken)
        except Conflict:
            held = self.get(pipeline, environment)
            if held is None:  # no such promotion
                raise
            raise _held(held) from None

    def renew(self, lease: Lease, ttl_seconds: float, now: datetime) -> Lease:
        """Keep a lease for so long from now; a FencedError tells that it was taken by another run, or given back."""
        renewed = self._change_one(*_still(lease), expires_at=now + timedelta(seconds=ttl_seconds))
        if renewed is not None:
            return renewed
        now_there = self.get(lease.pipeline, lease.environment)
        owner = now_there.owner if now_there else None
        holder = "nobody has it now" if owner is None else f"promotion {owner} has it now"
        raise FencedError(
            f"promotion {lease.owner} lost the lease of {lease.pipeline}/{lease.environment}: {holder}",
            "this run changes nothing more; start the promotion again",
        )

    def release(self, lease: Lease, now: datetime) -> None:  # noqa: ARG002 - `now` is part of every change
        """Give a lease back, if it is still the one that was taken. The token is kept."""
        self._change(*_still(lease), owner=None, expires_at=None)

    def get(self, pipeline: str, environment: str) -> Lease | None:
        """Return an environment's lease, held or free; None where there never was one."""
        return self._first(*_place(pipeline, environment))


def _place(pipeline: str, environment: str) -> tuple[ColumnElement[bool], ...]:
    return _ROW.pipeline == pipeline, _ROW.environment == environment


def _still(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    place = _place(lease.pipeline, lease.environment)
    return *place, _ROW.token == lease.token, _ROW.owner == lease.owner


def _held(lease: Lease) -> LeaseHeld:
    place = f"the lease of {lease.pipeline}/{lease.environment}"
    if lease.owner is None or lease.expires_at is None:
        return LeaseHeld(f"{place} was taken and released at this moment", "try again")
    return LeaseHeld(
        f"{place} is locked by promotion {lease.owner} until {lease.expires_at:%Y-%m-%d %H:%M:%S} UTC",
        "wait until that promotion has ended or its lease has expired",
    )
