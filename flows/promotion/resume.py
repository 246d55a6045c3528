"""Going on with a promotion whose run was killed, where it was cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.core.describe import describe_commit
from flows.promotion.bundle import make_bundle
from flows.promotion.change import carry_out, change_of, fallback_of
from flows.promotion.fallback import restore_again
from flows.promotion.finish import finish
from flows.promotion.pending_release import PendingRelease
from flows.promotion.plan import read_hosts
from flows.promotion.prepare import Prepared
from flows.runs.conduct import Request, lease_held
from tasks.images.sources import check_out
from tasks.kernel.errors import RefusedError
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.resolved import Resolved
    from flows.core.session import Session
    from tasks.ledger.records import PromotionRecord


def go_on(
    session: Session,
    run: Run,
    request: Request,
    resolved: Resolved,
    row: PromotionRecord,
    *,
    restoring: bool,
) -> PromotionRecord:
    """Go on where a killed run was cut."""
    release = session.ledger.releases.get(row.release_id or "")
    plan = row.plan
    if release is None or plan is None:
        raise RefusedError(f"promotion {row.id} was interrupted before its plan was known", "start a new one")
    log().info("promotion %s was interrupted while it changed %s; continuing", row.id, run.environment)
    described = describe_commit(run.mirror, run.description, resolved.commit.sha)
    sources = check_out(run, described=described, with_bake=False)
    with lease_held(run):
        hosts = before_the_switch(run, read_hosts(run), row.previous_release_id)
        pending = PendingRelease.recorded(run, release)
        prepared = Prepared(run, request, resolved, pending, sources, hosts)
        change = change_of(prepared, plan, make_bundle(run, release, sources))
        if restoring:
            restore_again(run, row, fallback_of(run, change))
        else:
            carry_out(run, change)
        return finish(run, resolved=resolved)


def before_the_switch(run: Run, hosts: Mapping[str, HostFacts], previous: str | None) -> dict[str, HostFacts]:
    """Return the hosts' facts as they were before a cut run switched them.

    Args:
        previous: The release that ran when the promotion was planned.
    """
    found: dict[str, HostFacts] = {}
    for name, facts in hosts.items():
        manifest = None
        if previous is not None:
            manifest = run.target(name).read_manifest(previous)
        found[name] = facts.model_copy(update={"manifest": manifest})
    return found


def report_again(run: Run, row: PromotionRecord, resolved: Resolved) -> PromotionRecord:
    """Finish what a run killed after its end left undone, and tell the end again."""
    log().info("promotion %s ended before: %s", row.id, row.status)
    if row.status is Status.SUCCEEDED:
        with lease_held(run):
            return finish(run, resolved=resolved)
    return row
