"""A release that runs already: nothing is changed, so nobody is asked, and it is verified."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.domain.promotion.release_images import expected_images, is_running
from flows.promotion.finish import finish
from flows.promotion.pending_release import PendingRelease
from flows.promotion.plan import read_hosts
from tasks.kernel.clock import utc_now
from tasks.services.smoke import verify
from tasks.steps.step import log

if TYPE_CHECKING:
    from flows.core.session import Session
    from flows.promotion.prepare import Prepared
    from tasks.ledger.records import PromotionRecord


def unchanged(prepared: Prepared) -> bool:
    """Say whether the release runs already, from the images it should."""
    if prepared.pending.built:
        return False
    release, sources = prepared.release, prepared.sources
    images = expected_images(release, sources.config, sources.described.fixed_images)
    return is_running(prepared.hosts, release, images)


def verify_only(prepared: Prepared) -> PromotionRecord:
    """Smoke a release that runs already, and record that nothing changed."""
    run, release = prepared.run, prepared.finish().release
    log().info("%s runs in %s already; verifying", release.id, run.environment)
    for name in run.hosts:
        verify(run, host=name, release=release, checkout=prepared.sources.source)
    run.ledger.promotions.move(
        run.promotion_id,
        Status.UNCHANGED,
        now=utc_now(),
        message=f"{release.id} runs in {run.environment} already; its smoke checks passed",
    )
    return finish(run, resolved=prepared.resolved)


def brought_meanwhile(session: Session, prepared: Prepared) -> Prepared | None:
    """Return what is known now where another promotion brought the same release while this one waited for the lease."""
    run, release_id = prepared.run, prepared.pending.release_id
    last = session.ledger.promotions.running(run.pipeline, run.environment)
    ended = last.ended_at if last is not None and last.release_id == release_id else None
    release = session.ledger.releases.get(release_id)
    if ended is None or ended < prepared.checked_at or release is None:
        return None
    now = replace(prepared, pending=PendingRelease.recorded(run, release), hosts=read_hosts(run))
    return now if unchanged(now) else None
