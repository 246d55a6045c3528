"""Watches that nobody carries any more: started where they were not, and started again where their run died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Kind, Status
from flows.domain.drift.reconcile import GRACE, Life
from flows.domain.promotion.asked import belongs
from flows.domain.watch.watch import LONGEST_LATE, WATCH, switch_of
from flows.drift.end_abandoned_runs import carried
from flows.watch.finish import unfinished
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.kernel.redact import process_redactor
from tasks.steps.flow_runs import end_flow_run, retry_flow_run
from tasks.steps.step import log
from tasks.watch.read import watch_run

if TYPE_CHECKING:
    from blocks.pipeline import Policy
    from blocks.values.asked import RepositoryFacts
    from tasks.ledger.records import PromotionRecord
    from tasks.ledger.store import Ledger

# The journal's row of a watch that was started again from here.
AGAIN = "watch again"
_MOST_TRIES = 3
# The release that runs, and the one a rollback has just left.
_LOOK_BACK = 5


def continue_watch(ledger: Ledger, policy: Policy, source: str, here: RepositoryFacts | None = None) -> str:
    """See to it that the release that runs is watched until its time is over, and that a red watch was acted upon.

    Running it twice is safe: a promotion has one watch, and its run is started again a few times at most.

    Args:
        here: Where that block leads; a promotion of another repository is left alone. None: nobody asks.
    """
    running = ledger.promotions.running(policy.pipeline, policy.name)
    done: list[str] = []
    for row in ledger.promotions.history(policy.pipeline, policy.name, _LOOK_BACK):
        if not belongs(row.asked, here) or not _wanted(
            ledger, policy, row, runs=running is not None and running.id == row.id
        ):
            continue
        try:
            done.append(_carry_on(ledger, row, source))
        except SluiceError as error:
            line = process_redactor().text(str(error))
            log().warning("the watch of promotion %s: %s", row.id, line)
            done.append(f"the watch of promotion {row.id} could not be started: {line}")
    return "; ".join(line for line in done if line)


def _wanted(ledger: Ledger, policy: Policy, row: PromotionRecord, *, runs: bool) -> bool:
    """Say whether a promotion's watch has not ended and should have: it runs, or it was left because of its watch."""
    rules, steps = policy.watch, ledger.steps.of(row.id)
    switch = switch_of(steps)
    if rules is None or switch is None or row.status is not Status.SUCCEEDED or row.kind is Kind.ROLLBACK:
        return False
    decided = any(step.name == WATCH and step.status == "finished" for step in steps)
    return (runs or decided) and utc_now() < switch.until(rules) + LONGEST_LATE and unfinished(steps)


def _carry_on(ledger: Ledger, row: PromotionRecord, source: str) -> str:
    key = watch_run(row.pipeline, row.environment, row.id, source)
    fact, life = carried(key)
    died = life is Life.SILENT or (fact is not None and fact.state in {"CRASHED", "FAILED"})
    if fact is None or not died or utc_now() - fact.since < GRACE:
        return ""
    tries = ledger.steps.get(row.id, AGAIN, "")
    if tries is not None and tries.attempts >= _MOST_TRIES:
        return ""
    ledger.steps.start(row.id, AGAIN, now=utc_now())
    line = f"the watch of promotion {row.id} had {fact.name.lower()}; its run was started again"
    log().warning("%s", line)
    if life is Life.SILENT:
        end_flow_run(key, line)
    retry_flow_run(key, line)
    return line
