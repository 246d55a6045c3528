"""The changes of promotions: opened once per flow run, moved only along the lifecycle."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from blocks.values.lifecycle import ACTIVE, ENDED, LIVE, OPEN, Kind, Status, may_follow
from tasks.kernel.errors import TerminalError
from tasks.ledger.errors import ActivePromotion, Conflict, IllegalTransition
from tasks.ledger.models import PROMOTIONS
from tasks.ledger.queries import PromotionQueries
from tasks.ledger.records import PromotionRecord

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from blocks.values.asked import AskedFor
    from blocks.values.plans import Plan

_ROW = PROMOTIONS.c
# What may follow once a promotion changes something.
_ENDS_OF_CHANGE = frozenset(
    status for status in ENDED if any(may_follow(before, status) for before in ACTIVE)
)
# What nothing was touched for: a newer promotion may take its place.
_REPLACEABLE = OPEN - ACTIVE


class Promotions(PromotionQueries):
    """The promotions of a ledger."""

    def open(
        self,
        *,
        pipeline: str,
        environment: str,
        kind: Kind,
        ref: str,
        flow_run_id: str | None,
        requested_by: str,
        cause: str,
        now: datetime,
        asked: AskedFor | None = None,
    ) -> PromotionRecord:
        """Open a promotion. Running it twice is safe: a flow run has one row, returned as it stands.

        Args:
            flow_run_id: The flow run that carries it; None always opens a new one.
            asked: All that was asked for; a later start of the run is compared with it.
        """
        return self._open(
            pipeline=pipeline,
            environment=environment,
            kind=kind,
            ref=ref,
            status=Status.PLANNING,
            flow_run_id=flow_run_id,
            requested_by=requested_by,
            cause=cause,
            message="",
            created_at=now,
            updated_at=now,
            asked=asked,
        )

    def _open(self, *, flow_run_id: str | None, **values: object) -> PromotionRecord:
        """Return the run's row, or add it, unless the same run, taken up twice, did so this moment."""
        known = self.of_run(flow_run_id) if flow_run_id is not None else None
        if known is not None:
            return known
        try:
            return self._add(flow_run_id=flow_run_id, **values)
        except Conflict:
            known = self.of_run(flow_run_id) if flow_run_id is not None else None
            if known is None:
                raise
            return known

    def record_past(
        self,
        *,
        pipeline: str,
        environment: str,
        kind: Kind,
        release_id: str,
        previous_release_id: str | None,
        key: str,
        requested_by: str,
        cause: str,
        status: Status,
        message: str,
        started_at: datetime,
        ended_at: datetime,
        now: datetime,
    ) -> PromotionRecord:
        """Take in a promotion that was carried out while the ledger could not be told.

        Running it twice is safe: a key has one row, returned as it stands. It never is an open promotion, so it
        stands in nobody's way.

        Args:
            key: What identifies it, in place of a flow run.

        Raises:
            IllegalTransition: A promotion that changed something cannot end so.
        """
        if status not in _ENDS_OF_CHANGE:
            raise IllegalTransition(
                f"what was done to {pipeline}/{environment} on {started_at:%Y-%m-%d} cannot have ended {status}",
                "check the record of it on the host",
            )
        return self._open(
            pipeline=pipeline,
            environment=environment,
            kind=kind,
            ref=release_id,
            release_id=release_id,
            previous_release_id=previous_release_id,
            status=status,
            flow_run_id=key,
            requested_by=requested_by,
            cause=cause,
            message=message,
            created_at=started_at,
            updated_at=now,
            started_at=started_at,
            ended_at=ended_at,
        )

    def move(self, promotion_id: int, status: Status, *, now: datetime, message: str = "") -> PromotionRecord:
        """Give a promotion another status, if the lifecycle allows it; the same one may be written again.

        Args:
            message: One line for a person; an empty one leaves the line that stands.

        Raises:
            IllegalTransition: The status may not follow the one the promotion has.
            ActivePromotion: Another promotion is changing the environment.
        """
        while True:
            current = self._known(promotion_id)
            if not may_follow(current.status, status):
                raise IllegalTransition(
                    f"promotion {promotion_id} to {current.pipeline}/{current.environment} is "
                    f"{current.status} and cannot become {status}",
                    "start a new promotion" if current.status in ENDED else "look at `sluice history`",
                )
            changes = _changes(current, status, message, now)
            if status in LIVE and "ended_at" in changes:
                changes["ended_at"] = self._after_the_last(current, now)
            moved = self._moved(current, changes)
            if moved is not None:
                return moved

    def take_place(
        self, promotion_id: int, message: str, now: datetime
    ) -> tuple[PromotionRecord, list[PromotionRecord]]:
        """Let a promotion take the place of the older ones to its environment that have touched nothing yet.

        Only who may wait or run itself may call it. Of two that do so at the same moment the newer one stays, whichever
        comes first: the older one ends in both orders, and the newer one in none. Running it twice is safe.

        Returns:
            The promotion, which has ended where a newer one came first, and those that were ended by this call.
        """
        current = self._known(promotion_id)
        # Everybody locks in the order of numbers: nobody waits for who waits for him.
        locked = (
            select(_ROW.id)
            .where(*_place(current), _ROW.id <= promotion_id, _ROW.status.in_(_REPLACEABLE))
            .order_by(_ROW.id)
            .with_for_update()
        )
        ended: list[PromotionRecord] = []
        with self._database.writing() as connection:
            waiting = connection.execute(locked).scalars().all()
            if promotion_id in waiting:
                others = _ROW.id.in_(waiting) & (_ROW.id != promotion_id)
                ended = self._change_within(connection, others, **_end(Status.SUPERSEDED, message, now))
        return self._known(promotion_id), sorted(ended, key=lambda row: row.id)

    def begin(
        self, promotion_id: int, message: str, now: datetime
    ) -> tuple[PromotionRecord, list[PromotionRecord]]:
        """Move an approved promotion to `RUNNING`, and end what a dead run left active in its environment.

        Both in one transaction: what does not begin takes over nothing. Running it twice is safe.

        Returns:
            The promotion, and those that were ended by this call.

        Raises:
            IllegalTransition: It has ended, or was not approved.
        """
        mine, taken = _ROW.id == promotion_id, list[PromotionRecord]()
        approved = select(PROMOTIONS).where(mine, _ROW.status == Status.APPROVED).with_for_update()
        with self._database.writing() as connection:
            row = connection.execute(approved).one_or_none()
            if row is not None:
                current = PromotionRecord.of(row)
                dead = (*_place(current), _ROW.status.in_(ACTIVE))
                taken = self._change_within(connection, *dead, **_end(Status.ABANDONED, message, now))
                self._change_within(connection, mine, **_changes(current, Status.RUNNING, "", now))
        return self.move(promotion_id, Status.RUNNING, now=now), taken

    def keep_asked(self, promotion_id: int, asked: AskedFor) -> PromotionRecord:
        """Write down what a promotion of an earlier version was asked for; what stands there already stays."""
        self._change(_ROW.id == promotion_id, _ROW.asked.is_(None), asked=asked)
        return self._known(promotion_id)

    def _after_the_last(self, current: PromotionRecord, now: datetime) -> datetime:
        """Return when a promotion ends that is the last one to succeed, whatever a clock that jumped back says.

        What ended last is what runs, so an end before the end of the one before would name another release.
        """
        last = self.running(current.pipeline, current.environment)
        if last is None or last.ended_at is None:
            return now
        return max(now, last.ended_at + timedelta(microseconds=1))

    def _moved(self, current: PromotionRecord, values: dict[str, Any]) -> PromotionRecord | None:
        """Write the changes unless another process was first: then the caller looks again."""
        try:
            return self._change_one(_ROW.id == current.id, _ROW.status == current.status, **values)
        except Conflict:
            holder = self.active(current.pipeline, current.environment)
            if holder is None:  # it ended this moment
                return None
            raise _held_by(holder, current.id) from None

    def set_plan(
        self, promotion_id: int, *, plan: Plan, previous_release_id: str | None, now: datetime
    ) -> PromotionRecord:
        """Keep the plan people are asked about, with what runs there now.

        Raises:
            TerminalError: The promotion runs or has ended, with another plan.
        """
        values = {"plan_hash": plan.hash, "previous_release_id": previous_release_id}
        return self._fix(promotion_id, values, now, plan=plan.to_json())

    def set_release(self, promotion_id: int, release_id: str, now: datetime) -> PromotionRecord:
        """Say which release a promotion brings.

        Raises:
            TerminalError: The release is not recorded, or the promotion runs or has ended with another one.
        """
        return self._fix(promotion_id, {"release_id": release_id}, now)

    def _fix(
        self, promotion_id: int, values: dict[str, Any], now: datetime, **more: object
    ) -> PromotionRecord:
        """Write what may change only until the promotion runs; equal values may be written again."""
        changeable = (_ROW.id == promotion_id, _ROW.status.not_in(ACTIVE | ENDED))
        changed = self._change_one(*changeable, **values, **more, updated_at=now)
        if changed is not None:
            return changed
        current = self._known(promotion_id)
        if any(getattr(current, name) != value for name, value in values.items()):
            raise TerminalError(
                f"promotion {promotion_id} is {current.status}: its plan and release stay as they are",
                "start a new promotion",
            )
        return current


def _place(current: PromotionRecord) -> tuple[ColumnElement[bool], ...]:
    return _ROW.pipeline == current.pipeline, _ROW.environment == current.environment


def _end(status: Status, message: str, now: datetime) -> dict[str, object]:
    """Return the columns of a promotion that another one ends."""
    return {"status": status, "message": message, "updated_at": now, "ended_at": now}


def _changes(current: PromotionRecord, status: Status, message: str, now: datetime) -> dict[str, Any]:
    """Return the columns a move writes; a start or an end that is there already stays."""
    changes: dict[str, Any] = {"status": status, "updated_at": now}
    if message:
        changes["message"] = message
    if status is Status.RUNNING and current.started_at is None:
        changes["started_at"] = now
    if status in ENDED and current.ended_at is None:
        changes["ended_at"] = now
    return changes


def _held_by(holder: PromotionRecord, promotion_id: int) -> ActivePromotion:
    since = f"{holder.updated_at:%Y-%m-%d %H:%M:%S} UTC"
    return ActivePromotion(
        f"promotion {promotion_id} cannot run: promotion {holder.id} ({holder.kind} {holder.ref}, by "
        f"{holder.requested_by}) is {holder.status} in {holder.pipeline}/{holder.environment} since {since}",
        "wait until it has ended; if its process died, retry its flow run",
    )
