"""The leases: who may change an environment, until when, with which fencing token.

The technique is Martin Kleppmann's (How to do distributed locking, 2016): a lock that expires is safe only
with a token that grows and that the changed thing itself checks.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import case, insert, or_, select, update

from tasks.kernel.errors import FencedError
from tasks.ledger.errors import Conflict, LeaseHeld
from tasks.ledger.models import LeaseRow
from tasks.ledger.records import Lease

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from tasks.ledger.database import Database


class Leases:
    """The leases of a ledger's environments.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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
            owner: The promotion that takes it.
            ttl_seconds: How long it lasts unless renewed.
            now: The present time, UTC.
            above: The highest token a host knows: an offline rollback raises it without the ledger, by the clock
                of another machine.

        Raises:
            LeaseHeld: Another promotion has it.
        """
        least, until = max(int(now.timestamp()), above + 1), now + timedelta(seconds=ttl_seconds)
        takeable = update(LeaseRow).where(
            *_place(pipeline, environment),
            or_(LeaseRow.owner.is_(None), LeaseRow.owner == owner, LeaseRow.expires_at <= now),
        )
        taken = takeable.values(
            owner=owner,
            token=case((LeaseRow.token < least, least), else_=LeaseRow.token + 1),
            acquired_at=now,
            expires_at=until,
        )
        with self._database.writing() as connection:
            row = connection.execute(taken.returning(LeaseRow)).one_or_none()
        if row is not None:
            return Lease.of(row)
        return self._first(
            Lease(
                pipeline=pipeline,
                environment=environment,
                owner=owner,
                token=least,
                acquired_at=now,
                expires_at=until,
            )
        )

    def _first(self, lease: Lease) -> Lease:
        """Write the environment's first lease, unless there is one that could not be taken."""
        try:
            with self._database.writing() as connection:
                connection.execute(insert(LeaseRow).values(lease.model_dump()))
        except Conflict:
            held = self.get(lease.pipeline, lease.environment)
            if held is None:  # no such promotion
                raise
            raise _held(held) from None
        return lease

    def renew(self, lease: Lease, ttl_seconds: float, now: datetime) -> Lease:
        """Keep a lease for longer.

        Args:
            lease: The lease as it was taken or last renewed.
            ttl_seconds: How long it lasts from now.
            now: The present time, UTC.

        Returns:
            The lease with its new end.

        Raises:
            FencedError: It was taken by another run, or given back.
        """
        renewed = (
            update(LeaseRow).where(*_still(lease)).values(expires_at=now + timedelta(seconds=ttl_seconds))
        )
        with self._database.writing() as connection:
            row = connection.execute(renewed.returning(LeaseRow)).one_or_none()
        if row is not None:
            return Lease.of(row)
        now_there = self.get(lease.pipeline, lease.environment)
        owner = now_there.owner if now_there else None
        holder = "nobody has it now" if owner is None else f"promotion {owner} has it now"
        raise FencedError(
            f"promotion {lease.owner} lost the lease of {lease.pipeline}/{lease.environment}: {holder}",
            "this run changes nothing more; start the promotion again",
        )

    def release(self, lease: Lease, now: datetime) -> None:  # noqa: ARG002 - `now` is part of every change
        """Give a lease back, if it is still the one that was taken. The token is kept."""
        freed = update(LeaseRow).where(*_still(lease)).values(owner=None, expires_at=None)
        with self._database.writing() as connection:
            connection.execute(freed)

    def get(self, pipeline: str, environment: str) -> Lease | None:
        """Return an environment's lease, held or free; None where there never was one."""
        with self._database.reading() as connection:
            row = connection.execute(select(LeaseRow).where(*_place(pipeline, environment))).one_or_none()
        return None if row is None else Lease.of(row)


def _place(pipeline: str, environment: str) -> tuple[ColumnElement[bool], ...]:
    return LeaseRow.pipeline == pipeline, LeaseRow.environment == environment


def _still(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    place = _place(lease.pipeline, lease.environment)
    return *place, LeaseRow.token == lease.token, LeaseRow.owner == lease.owner


def _held(lease: Lease) -> LeaseHeld:
    place = f"the lease of {lease.pipeline}/{lease.environment}"
    if lease.owner is None or lease.expires_at is None:
        return LeaseHeld(f"{place} was taken and released at this moment", "try again")
    return LeaseHeld(
        f"{place} is locked by promotion {lease.owner} until {lease.expires_at:%Y-%m-%d %H:%M:%S} UTC",
        "wait until that promotion has ended or its lease has expired",
    )
