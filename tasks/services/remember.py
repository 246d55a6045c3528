"""What a host shall know by itself: which releases ran on it, and what was judged of their migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from blocks.values.offline import LiveRelease
from blocks.values.receipts import StepReceipt
from tasks.kernel.errors import SluiceError
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from tasks.ledger.records import PromotionRecord
    from tasks.steps.run import Run


_MOST_REMEMBERED = 100


@step("remember", StepReceipt)
def remember(run: Run) -> StepReceipt:
    """Write down on every host that a release runs there. What fails here is logged, and stops nothing.

    Running it twice is safe: a promotion that is written down already is not added again.

    A host that remembers no release yet gets the earlier ones too.
    """
    told: list[str] = []
    live = live_releases(run)
    for name in run.hosts:
        try:
            run.target(name).remember(live)
            told.append(name)
        except SluiceError as error:
            log().warning("remember: %s: %s", name, error)
    return StepReceipt(text=f"{live[-1].release_id} recorded on {', '.join(told) or 'no host'}")


def live_releases(run: Run) -> tuple[LiveRelease, ...]:
    """Return the releases that ran in the environment, oldest first, as its hosts shall remember them."""
    rows = run.ledger.promotions.history(run.pipeline, run.environment, limit=_MOST_REMEMBERED)
    held = {hold.release_id for hold in run.ledger.holds.active(run.pipeline, run.environment)}
    good = [row for row in reversed(rows) if row.status is Status.SUCCEEDED and row.release_id]
    return tuple(_live(run, row, tuple(sorted(held))) for row in good)


def _live(run: Run, row: PromotionRecord, held: tuple[str, ...]) -> LiveRelease:
    """Return one line. What was judged is left out where the plan is of another version: it counts as not judged."""
    try:
        plan = row.plan
    except SluiceError as error:
        log().warning("%s", error)
        plan = None
    rehearsed = run.ledger.rehearsals.last_of(row.id)
    return LiveRelease(
        release_id=row.release_id or "",
        at=row.ended_at or row.updated_at,
        kind=row.kind,
        promotion_id=row.id,
        held=held,
        verdicts=tuple(one.model_copy(update={"sql": ""}) for one in plan.verdicts) if plan else (),
        rehearsal=rehearsed.receipt if rehearsed else None,
    )
