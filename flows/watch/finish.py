"""How a watch ends: written down first, then acted upon and told, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt
from blocks.values.watch import WatchEnd
from flows.core.outcome import run_link, subject_of
from flows.domain.watch.view import cause, red_text
from flows.domain.watch.watch import LONGEST_LATE, TOLD, WATCH
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.kernel.redact import process_redactor
from tasks.steps.flow_runs import start_flow_run
from tasks.steps.notify import tell
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from blocks.pipeline import Policy
    from tasks.ledger.records import PromotionRecord, StepRecord
    from tasks.ledger.store import Ledger

WHO = "watch"
# What people have to know; all else stands in the artifact.
TO_TELL = frozenset({"red", "blind"})


def unfinished(steps: Sequence[StepRecord]) -> bool:
    """Say whether a watch has not ended, or was not acted upon yet."""
    finished = {step.name: step.receipt for step in steps if step.status == "finished"}
    receipt = finished.get(WATCH)
    if receipt is None:
        return True
    return WatchEnd.from_json(receipt).verdict in TO_TELL and TOLD not in finished


def act(
    ledger: Ledger,
    policy: Policy,
    row: PromotionRecord,
    end: WatchEnd,
    *,
    until: datetime,
    source: str,
    run: str,
) -> tuple[str, ...]:
    """Hold a release whose watch is red, start the rollback where the policy says so, and tell people.

    Running it twice is safe: a hold stands once, a promotion has one such rollback, a message has its key.
    """
    then: tuple[str, ...] = (f"look yourself: {end.text}",)
    if end.verdict == "red":
        why = process_redactor().text(cause(row.id, end.findings))
        then = (_hold(ledger, row, why), _roll_back(policy, row, why, until=until, source=source))
    for line in then:
        log().warning("%s", line)
    _tell(ledger, policy, row, end, then, run)
    ledger.steps.start(row.id, TOLD, now=utc_now())
    ledger.steps.finish(row.id, TOLD, receipt=StepReceipt(text="; ".join(then)), now=utc_now())
    return then


def _hold(ledger: Ledger, row: PromotionRecord, why: str) -> str:
    ledger.holds.add(row.pipeline, row.environment, str(row.release_id), why, WHO, utc_now())
    return f"{row.release_id} is on hold: `sluice unhold {row.environment} --reason …` removes the hold"


def _roll_back(policy: Policy, row: PromotionRecord, why: str, *, until: datetime, source: str) -> str:
    """Start the rollback, which itself judges whether going back loses anything; return what was done."""
    name = f"rollback/{row.environment}"
    by_hand = f"`prefect deployment run {name}` goes back"
    if policy.watch is None or not policy.watch.rollback:
        return f"it still runs; {by_hand}"
    if row.previous_release_id is None:
        return "it still runs: nothing ran before, so there is nothing to go back to"
    if utc_now() > until + LONGEST_LATE:
        return f"it still runs: this look came too late for an automatic rollback; {by_hand}"
    wanted = {
        "environment": row.environment,
        "source": source,
        "reason": why,
        "requested_by": WHO,
        "leaving": row.release_id,
    }
    try:
        run = start_flow_run(name, wanted, f"watch/{row.pipeline}/{row.environment}/{row.id}/rollback")
    except SluiceError as error:
        return f"it still runs: the rollback could not be started: {process_redactor().text(str(error))}"
    return (
        f"{name} was started: it rolls back where that loses nothing, refuses or asks people otherwise, and reports "
        f"how it ended: {run_link(run)}"
    )


def _tell(
    ledger: Ledger, policy: Policy, row: PromotionRecord, end: WatchEnd, then: tuple[str, ...], run: str
) -> None:
    release = ledger.releases.get(row.release_id) if row.release_id else None
    data: dict[str, object] = {
        "promotion": row.id,
        "pipeline": row.pipeline,
        "environment": row.environment,
        "kind": "watch",
        "status": end.verdict,
        "release": row.release_id,
        "message": end.text,
        "findings": [one.model_dump(mode="json") for one in end.findings],
        "run": run_link(run),
    }
    subject = subject_of(row, row.release_id or "", release.commit if release else None, run)
    text = process_redactor().text(red_text(subject, end, then))
    tell(policy.notify, text, data, f"{row.pipeline}/{row.environment}/{row.id}/watch/{end.verdict}")
