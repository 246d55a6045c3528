"""Brings promotions whose flow run ended without them to an end, and gives their leases back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.values.lifecycle import ENDED, Status
from blocks.values.receipts import StepReceipt
from flows.core.outcome import data_of, end_key, tell_end
from flows.domain.approvals.quorum import deadline
from flows.domain.approvals.values import policy_of
from flows.domain.drift.reconcile import Act, Life, Open, ReconcileDecision, decide, how_it_ended, life_of
from flows.domain.drift.view import cut_text
from flows.domain.promotion.asked import belongs
from flows.domain.promotion.recovery import up_started
from flows.domain.rollback.offline import is_offline
from flows.domain.words.names import one_off_name
from flows.drift.reach_hosts import current_releases
from flows.runs.conduct import cancel_run
from tasks.database.schema import read_schema
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.kernel.redact import process_redactor
from tasks.steps.flow_runs import end_flow_run, read_flow_run, retry_flow_run, sign_seconds
from tasks.steps.notify import tell
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.pipeline import Policy
    from blocks.values.asked import RepositoryFacts
    from blocks.values.flow_runs import RunFact
    from tasks.ledger.records import PromotionRecord, StepRecord
    from tasks.ledger.store import Ledger
    from tasks.steps.run import Run

# The journal's row of a run that was started again from here.
RETRIED = "reconcile"
_MOST_TRIES = 2


@dataclass(frozen=True)
class Judged:
    """An open promotion and what was done about it."""

    row: PromotionRecord
    decision: ReconcileDecision


def end_what_died(
    ledger: Ledger,
    policy: Policy,
    looks: Mapping[str, Run],
    amiss: Mapping[str, str],
    here: RepositoryFacts | None = None,
) -> tuple[Judged, ...]:
    """Judge every open promotion of an environment, and do what was decided.

    Running it twice is safe: what was ended is no longer open, and a run is started again once.

    Args:
        here: The repository whose pipeline this is; a promotion of another one is left alone. None: nobody asks.
    """
    judged: list[Judged] = []
    for opened in ledger.promotions.open_in(policy.pipeline, policy.name):
        if opened.flow_run_id is None:
            continue
        if not belongs(opened.asked, here):
            log().warning("promotion %s was started for another repository and is ignored", opened.id)
            continue
        key = opened.flow_run_id
        fact, life = carried(key)
        # Read after its run: one that has just ended well ended its promotion first.
        row = ledger.promotions.get(opened.id) or opened
        if row.status in ENDED:
            continue
        one = _facts(ledger, policy, row, fact, life)
        if _depends_on_hosts(one):
            one = _with_hosts(ledger, row, one, looks, amiss)
        decision = decide(one, now=utc_now())
        if decision.act is not Act.LEAVE:
            judged.append(_do(ledger, policy, row, decision, life, key))
    return tuple(judged)


def _depends_on_hosts(one: Open) -> bool:
    """Say whether it matters what the hosts run: only of a promotion that died before its switch."""
    died = one.life is not Life.ALIVE and not one.leased
    return died and one.status is Status.RUNNING and not one.switch_begun


def carried(key: str) -> tuple[RunFact | None, Life]:
    """Say whether a run is alive. One that seems silent gets the time to be heard: the server may have been away."""
    every = sign_seconds()
    fact = read_flow_run(key)
    life = life_of(fact, now=utc_now(), sign_seconds=every)
    if life is Life.SILENT and every:
        log().info("run %s sent no heartbeat for a long time; listening for %s s", key, 2 * every)
        time.sleep(2 * every)
        fact = read_flow_run(key)
        life = life_of(fact, now=utc_now(), sign_seconds=every)
    return fact, life


def _facts(ledger: Ledger, policy: Policy, row: PromotionRecord, fact: RunFact | None, life: Life) -> Open:
    steps = ledger.steps.of(row.id)
    lease = ledger.leases.get(row.pipeline, row.environment)
    held = lease is not None and lease.expires_at is not None and lease.expires_at > utc_now()
    quiet = row.updated_at if fact is None else (fact.last_sign if life is Life.SILENT else fact.since)
    return Open(
        status=row.status,
        life=life,
        ended=how_it_ended(fact, life),
        quiet_since=quiet,
        overtaken=_overtaken(ledger, row),
        leased=held,
        switch_begun=up_started(steps),
        before=row.previous_release_id,
        migration_begun=any(step.name == "migrate" for step in steps),
        retried=any(step.name == RETRIED and _was_retried(step) for step in steps),
        deployed=fact is not None and fact.deployed,
        deadline=deadline(row.created_at, policy_of(policy.approvals)) if policy.approvals else None,
    )


def _was_retried(step: StepRecord) -> bool:
    """Say whether a run was started again; one whose asking was cut twice counts as well."""
    return step.status == "finished" or step.attempts > _MOST_TRIES


def _overtaken(ledger: Ledger, row: PromotionRecord) -> str:
    """Say who rolled back without the ledger while this promotion was open."""
    for other in ledger.promotions.history(row.pipeline, row.environment, limit=50):
        changed = other.status in {Status.SUCCEEDED, Status.RESTORED, Status.BROKEN}
        if is_offline(other.flow_run_id) and changed and other.ended_at and other.ended_at > row.updated_at:
            return f"{other.requested_by} rolled back without the ledger and"
    return ""


def _with_hosts(
    ledger: Ledger, row: PromotionRecord, one: Open, looks: Mapping[str, Run], amiss: Mapping[str, str]
) -> Open:
    """Add what the hosts say; where one says nothing, what was switched stays unknown."""
    if amiss:
        return one
    running = ledger.promotions.running(row.pipeline, row.environment)
    expected = {row.previous_release_id, running.release_id if running else None}
    try:
        switched = not set(current_releases(looks).values()) <= expected
        migrating, revision = _migration(row, looks) if one.migration_begun else (False, None)
    except SluiceError as error:
        log().warning("promotion %s: %s", row.id, error)
        return one
    return one.model_copy(update={"switched": switched, "migrating": migrating, "revision": revision})


def _migration(row: PromotionRecord, looks: Mapping[str, Run]) -> tuple[bool, str | None]:
    name, run = next(iter(looks.items()))
    running = run.target(name).runs_once(one_off_name(row.pipeline, "migrate", str(row.id)))
    return running, read_schema(run, run.hosts[name])[1]


def _do(
    ledger: Ledger, policy: Policy, row: PromotionRecord, decision: ReconcileDecision, life: Life, key: str
) -> Judged:
    log().warning("promotion %s to %s: %s", row.id, row.environment, decision.message)
    if life is Life.SILENT:
        end_flow_run(key, decision.message)
    if decision.act is Act.RETRY:
        _retry(ledger, policy, row, decision, key)
    elif decision.status is not None:
        row = ledger.promotions.move(row.id, decision.status, now=utc_now(), message=decision.message)
        if life is Life.SUSPENDED:
            cancel_run(key, decision.message)
        _tell(policy, row, ledger)
    return Judged(row, decision)


def _retry(
    ledger: Ledger, policy: Policy, row: PromotionRecord, decision: ReconcileDecision, key: str
) -> None:
    """Have the run started again; the journal says so first, so that it is done once."""
    ledger.steps.start(row.id, RETRIED, now=utc_now())
    retry_flow_run(key, decision.message)
    ledger.steps.finish(row.id, RETRIED, receipt=StepReceipt(text=decision.message), now=utc_now())
    _tell(policy, row.model_copy(update={"message": decision.message}), ledger)


def _tell(policy: Policy, row: PromotionRecord, ledger: Ledger) -> None:
    """Tell the environment's channels; a promotion that ended is told as its own run would have."""
    release = ledger.releases.get(row.release_id) if row.release_id else None
    if row.status in ENDED:
        tell_end(policy.notify, row, release)
        return
    said = process_redactor().text(cut_text(row.pipeline, row.environment, row.message))
    tell(policy.notify, said, data_of(row, release), end_key(row))


def give_back_lease(ledger: Ledger, policy: Policy) -> str:
    """Give a lease back that ran out while its promotion has ended.

    Running it twice is safe: a lease that was taken again meanwhile has another token, and stays.
    """
    lease = ledger.leases.get(policy.pipeline, policy.name)
    if lease is None or lease.owner is None or lease.expires_at is None or lease.expires_at > utc_now():
        return ""
    owner = ledger.promotions.get(lease.owner)
    if owner is None or owner.ended_at is None:
        return ""
    ledger.leases.release(lease, utc_now())
    line = f"the lease of promotion {lease.owner}, which ended, was released"
    log().info("%s: %s", policy.name, line)
    return line
