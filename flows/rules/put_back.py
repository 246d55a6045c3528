"""Puts relaxed rules back: when their time is over, whatever became of the run that relaxed them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from blocks.git_repository import GitRepository
from blocks.settings import Settings
from flows.core.github import open_github_rules
from flows.core.outcome import reported
from flows.domain.rules.relaxation import is_back, put_back
from flows.domain.rules.view import overdue
from tasks.github.protection import protect_branch, read_rules
from tasks.kernel.blocks import read_block
from tasks.kernel.clock import utc_now
from tasks.ledger.connect import open_ledger
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.values.drift import Difference
    from tasks.kernel.protocols import RuleKeeper
    from tasks.ledger.relaxation_records import RelaxationRecord
    from tasks.ledger.store import Ledger

_BACK = "restored, as its time was over"


class PutBack(NamedTuple):
    """What became of the rules whose time was over."""

    restored: tuple[RelaxationRecord, ...] = ()
    failed: tuple[Difference, ...] = ()


def put_back_due(source: str) -> PutBack:
    """Put back every rule whose time is over. Neither git nor the pipeline is needed for that."""
    name = read_block(GitRepository, source).github
    if not name:
        return PutBack()
    with open_ledger(Settings()) as ledger, closing(open_github_rules(name)) as keeper:
        now = utc_now()
        standing = ledger.relaxations.standing(keeper.page)
        return put_back_all(ledger, keeper, [one for one in standing if one.until and one.until <= now])


def put_back_all(
    ledger: Ledger, keeper: RuleKeeper, due: list[RelaxationRecord], why: str = _BACK
) -> PutBack:
    """Put rules back, each for itself."""
    restored: list[RelaxationRecord] = []
    failed: list[Difference] = []
    for row in due:
        try:
            restored.append(restore(ledger, keeper, row, why))
        except Exception as error:  # noqa: BLE001 - the other rules are put back, whatever it is
            text = reported(error, f"{row.rule} on {row.branch} could not be restored")
            failed.append(overdue(row, text))
    return PutBack(tuple(restored), tuple(failed))


def restore(ledger: Ledger, keeper: RuleKeeper, row: RelaxationRecord, why: str) -> RelaxationRecord:
    """Put one rule back as strict as it was, and close its request. Doing it twice is safe.

    Raises:
        SluiceError: GitHub does not take it; the request stands, so that it is tried again.
    """
    if row.protection is not None:
        (found,) = read_rules(keeper, branches=(row.branch,), environments=()).branches
        if not is_back(found.protection, row.protection, row.rule):
            wanted = put_back(found.protection, row.protection, row.rule)
            protect_branch(keeper, found=found, wanted=wanted)
    log().info("%s on %s is in force again: %s", row.rule, row.branch, why)
    return ledger.relaxations.end(row.id, "restored", message=why, now=utc_now())
