"""What the ledger says about each environment, as values for tables and JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field

from blocks.values.base import Value
from blocks.values.lifecycle import ACTIVE, Kind, Status
from blocks.values.releases import Image
from blocks.values.watch import WatchEnd, WatchStart
from flows.domain.drift.hosts import mend
from flows.domain.watch.watch import START, WATCH
from tasks.kernel.errors import SluiceError
from tasks.ledger.records import ApprovalRecord, PromotionRecord, Record

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger


class Watched(Value):
    """How the release that runs is looked after.

    Attributes:
        verdict: `green`, `red`, `over`, `blind`; empty while the watch goes on.
    """

    verdict: str
    until: datetime
    text: str


class RunningRelease(Value):
    """The release that runs in an environment.

    Attributes:
        commit: Its full commit id, empty when the ledger no longer knows the release.
        since: When it was found to run, UTC.
        approvers: Who approved it.
        watch: None where nobody watches.
    """

    release: str
    commit: str
    subject: str
    images: tuple[Image, ...]
    since: datetime
    kind: Kind
    promotion: int
    requested_by: str
    approvers: tuple[str, ...]
    watch: Watched | None = None


class OpenPromotion(Record):
    """A promotion that has not ended.

    Attributes:
        release: None until it is known.
        since: Since when it has this status, UTC.
        flow_run: The Prefect run that carries it, None without one.
        url: Where to look at the run, empty without one.
    """

    model_config = ConfigDict(populate_by_name=True)

    promotion: int = Field(validation_alias="id")
    kind: Kind
    ref: str
    release: str | None = Field(validation_alias="release_id")
    status: Status
    requested_by: str
    since: datetime = Field(validation_alias="updated_at")
    flow_run: str | None = Field(validation_alias="flow_run_id")
    url: str = ""


class Waiting(OpenPromotion):
    """A promotion that waits for approvals: how many it has and needs, whose they are, and who may approve.

    Attributes:
        until: When it expires, UTC; None when it is not known.
    """

    plan_hash: str
    have: int
    need: int
    approved_by: tuple[str, ...]
    may_approve: tuple[str, ...]
    until: datetime | None


class Held(Record):
    """A release that may not come back until a person says so."""

    release: str = Field(validation_alias="release_id")
    reason: str
    by: str = Field(validation_alias="created_by")
    since: datetime = Field(validation_alias="created_at")


class Last(Record):
    """How the last promotion to an environment ended."""

    promotion: int = Field(validation_alias="id")
    status: Status
    message: str
    ended_at: datetime | None


class Drifted(Value):
    """Where a host differs from the ledger, since when, and what to do; without a host, where GitHub does."""

    host: str
    kind: str
    subject: str
    detail: str
    since: datetime
    mend: str


class Recovery(Value):
    """What the drills of an environment's dumps say.

    Attributes:
        restore_seconds: How long the last dump that passed took to restore: the recovery time. None: none passed.
        failing: What was wrong with the newest dump that was drilled; empty where it passed.
    """

    restore_seconds: float | None
    drilled_at: datetime | None
    backup: str
    failing: str


class EnvironmentStatus(Value):
    """One environment of one pipeline, as the ledger has it."""

    pipeline: str
    environment: str
    running: RunningRelease | None
    active: OpenPromotion | None
    waiting: tuple[Waiting, ...]
    preparing: tuple[OpenPromotion, ...]
    holds: tuple[Held, ...]
    drift: tuple[Drifted, ...] = ()
    recovery: Recovery | None = None
    last: Last | None


def run_url(ui_url: str, flow_run: str | None) -> str:
    """Return where a run is looked at in Prefect's UI."""
    return f"{ui_url.rstrip('/')}/runs/flow-run/{flow_run}" if flow_run else ""


def environment_status(
    ledger: Ledger, pipeline: str, environment: str, *, ui_url: str, until: Callable[[str], datetime | None]
) -> EnvironmentStatus:
    """Put together what the ledger says about one environment.

    Args:
        until: Says of a flow run how long it waits; the ledger does not keep it.
    """
    opened = ledger.promotions.open_in(pipeline, environment)
    active = next((row for row in opened if row.status in ACTIVE), None)
    waiting = [row for row in opened if row.status is Status.WAITING]
    rest = [row for row in opened if row.status in {Status.PLANNING, Status.APPROVED}]
    last = ledger.promotions.history(pipeline, environment, 1)
    return EnvironmentStatus(
        pipeline=pipeline,
        environment=environment,
        running=_running(ledger, ledger.promotions.running(pipeline, environment)),
        active=None if active is None else _open(active, ui_url),
        waiting=tuple(_waiting(ledger, row, ui_url, until) for row in waiting),
        preparing=tuple(_open(row, ui_url) for row in rest),
        holds=tuple(Held.of(hold) for hold in ledger.holds.active(pipeline, environment)),
        drift=standing_drift(ledger, pipeline, environment),
        recovery=_recovery(ledger, pipeline, environment),
        last=Last.of(last[0]) if last else None,
    )


def _recovery(ledger: Ledger, pipeline: str, environment: str) -> Recovery | None:
    drills = ledger.drills.of(pipeline, environment)
    if not drills:
        return None
    passed = next((one.receipt for one in drills if one.passed), None)
    newest = drills[0].receipt
    return Recovery(
        restore_seconds=passed.restore_seconds if passed else None,
        drilled_at=passed.drilled_at if passed else None,
        backup=passed.backup_path if passed else "",
        failing="" if newest.passed else newest.differences[0],
    )


def standing_drift(ledger: Ledger, pipeline: str, environment: str) -> tuple[Drifted, ...]:
    """Return where an environment's hosts differ from the ledger, as `reconcile` saw them last, oldest first."""
    return tuple(
        Drifted(
            host=one.host,
            kind=one.kind,
            subject=one.subject,
            detail=one.detail,
            since=one.found_at,
            mend=mend(one.kind, environment),
        )
        for one in ledger.drift.standing(pipeline, environment)
    )


def approvers_of(records: Sequence[ApprovalRecord], plan_hash: str | None) -> tuple[str, ...]:
    """Return who approved a plan, in the order of the answers; a yes that was taken back does not count."""
    counted = [one for one in records if one.counted and one.plan_hash == plan_hash]
    no = {one.approver for one in counted if one.decision == "reject"}
    yes = [one.approver for one in counted if one.decision == "approve" and one.approver not in no]
    return tuple(dict.fromkeys(yes))


def _running(ledger: Ledger, row: PromotionRecord | None) -> RunningRelease | None:
    if row is None or row.release_id is None:
        return None
    release = ledger.releases.get(row.release_id)
    return RunningRelease(
        release=row.release_id,
        commit=release.commit.sha if release else "",
        subject=release.commit.subject if release else "",
        images=release.images if release else (),
        since=row.ended_at or row.updated_at,
        kind=row.kind,
        promotion=row.id,
        requested_by=row.requested_by,
        approvers=approvers_of(ledger.approvals.of(row.id), row.plan_hash),
        watch=_watched(ledger, row),
    )


def _watched(ledger: Ledger, row: PromotionRecord) -> Watched | None:
    begun, ended = ledger.steps.get(row.id, START), ledger.steps.get(row.id, WATCH)
    if begun is None or begun.receipt is None:
        return None
    until = WatchStart.from_json(begun.receipt).until
    if ended is None or ended.receipt is None:
        return Watched(verdict="", until=until, text="")
    end = WatchEnd.from_json(ended.receipt)
    return Watched(verdict=end.verdict, until=until, text=end.text)


def _open(row: PromotionRecord, ui_url: str) -> OpenPromotion:
    return OpenPromotion.of(row).model_copy(update={"url": run_url(ui_url, row.flow_run_id)})


def _waiting(
    ledger: Ledger, row: PromotionRecord, ui_url: str, until: Callable[[str], datetime | None]
) -> Waiting:
    try:
        plan = row.plan
    except SluiceError:  # another version wrote it; the rest of the row is as good as ever
        plan = None
    given = approvers_of(ledger.approvals.of(row.id), row.plan_hash)
    return Waiting(
        **dict(_open(row, ui_url)),
        plan_hash=row.plan_hash or "",
        have=len(given),
        need=plan.approvals_required if plan else 0,
        approved_by=given,
        may_approve=plan.approvers if plan else (),
        until=until(row.flow_run_id) if row.flow_run_id else None,
    )
