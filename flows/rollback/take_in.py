"""Brings rollbacks that were made without the ledger into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Kind, Status
from flows.domain.rollback.offline import offline_key
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError
from tasks.services.offline_records import mark_recorded, read_offline
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blocks.values.offline import OfflineRollback
    from tasks.ledger.records import PromotionRecord


def take_in(looks: Mapping[str, Run]) -> tuple[PromotionRecord, ...]:
    """Record what the hosts remember and the ledger does not know, oldest first.

    It may be cut anywhere and run again: a rollback has one row and one hold, and its files are renamed last.

    Args:
        looks: Host → a look at it, in the pipeline's order.
    """
    remembered: dict[str, list[tuple[str, OfflineRollback]]] = {}
    for name, run in looks.items():
        for past in read_offline(run, name):
            if (past.pipeline, past.environment) == (run.pipeline, run.environment):
                remembered.setdefault(past.id, []).append((name, past))
    return tuple(_taken_in(looks, remembered[one]) for one in sorted(remembered))


def _taken_in(looks: Mapping[str, Run], copies: list[tuple[str, OfflineRollback]]) -> PromotionRecord:
    host, past = copies[0]
    run = looks[host]
    row = _record(run, host, past)
    hold_what_was_left(run, row)
    log().warning(
        "rollback %s of %s by %s is in the ledger now: %s", past.id, past.environment, past.who, row.status
    )
    for name, _ in copies:
        mark_recorded(looks[name], host=name, identifier=past.id)
    return row


def _record(run: Run, host: str, past: OfflineRollback) -> PromotionRecord:
    _know_release(run, host, past.to_release_id)
    return run.ledger.promotions.record_past(
        pipeline=past.pipeline,
        environment=past.environment,
        kind=Kind.ROLLBACK,
        release_id=past.to_release_id,
        previous_release_id=past.from_release_id,
        key=offline_key(past),
        requested_by=past.who,
        cause=past.reason,
        status=past.outcome,
        message=_line((past.message, *past.warnings)),
        started_at=past.started_at,
        ended_at=past.ended_at,
        now=utc_now(),
    )


def _line(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)[:2000]


def _know_release(run: Run, host: str, release_id: str) -> None:
    """Record a release that the ledger does not know: it may have been made anew since."""
    if run.ledger.releases.get(release_id) is not None:
        return
    manifest = run.target(host).read_manifest(release_id)
    if manifest is None:
        raise TerminalError(
            f"{host} went back to {release_id} without the ledger, which does not know that release",
            "promote a release, then move the file in the host's folder `offline` away",
        )
    run.ledger.releases.record(manifest.release)


def hold_what_was_left(run: Run, row: PromotionRecord) -> None:
    """Hold the release that was left, so that the next promotion does not bring it back.

    Nothing is held where a person brought that release in again since.
    """
    left = row.previous_release_id
    running = run.ledger.promotions.running(run.pipeline, run.environment)
    if row.status is not Status.SUCCEEDED or left is None or (running and running.release_id == left):
        return
    reason = row.cause or "rolled back without the ledger"
    run.ledger.holds.add(run.pipeline, run.environment, left, reason, row.requested_by, utc_now())
    log().info("%s is on hold in %s: %s", left, run.environment, reason)
