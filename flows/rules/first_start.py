"""What a request to relax a rule was at the run's first start: a later start that asks for another is ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from flows.domain.promotion.asked import ChangedValue, changed_text, differences, repository_changes
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.kernel.redact import process_redactor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.asked import Parameter, RepositoryFacts
    from tasks.ledger.relaxation_records import RelaxationRecord
    from tasks.ledger.store import Ledger

_ANEW = "ask again with a new run"


def refuse_changed(ledger: Ledger, row: RelaxationRecord | None, parameters: Mapping[str, Parameter]) -> None:
    """See that a run asks for what it was started for, before anything of what it asks for is used.

    Raises:
        RefusedError: It asks for something else, or nobody wrote down what it was started for.
    """
    if row is None:
        return
    if row.asked is None and row.status == "asked":
        _end(
            ledger,
            row,
            f"request {row.id} was made with an earlier version of Sluice, which did not record all of it",
        )
    if row.asked is not None:
        _refuse(ledger, row, differences(row.asked.parameters, parameters), "this run's parameters were")


def refuse_elsewhere(ledger: Ledger, row: RelaxationRecord | None, now: RepositoryFacts) -> None:
    """See that the run's repository is the one that it was started for, before it is fetched."""
    if row is not None:
        _refuse(ledger, row, repository_changes(row.asked, now), "the run's git-repository block was")


def refuse_other_rules(ledger: Ledger, row: RelaxationRecord | None, page: str) -> None:
    """See that the `github` block still leads to the repository whose rule was asked about."""
    if row is not None and row.repository != page:
        changes = (ChangedValue(name="repository", first=row.repository, now=page),)
        _refuse(ledger, row, changes, "the run's github block was")


def _refuse(ledger: Ledger, row: RelaxationRecord, changes: tuple[ChangedValue, ...], what: str) -> None:
    if changes:
        _end(ledger, row, changed_text(changes, what))


def _end(ledger: Ledger, row: RelaxationRecord, what: str) -> NoReturn:
    """End a request that nobody answered yet; what is relaxed stays in the ledger until it is put back."""
    if row.stands:
        raise RefusedError(what, f"{row.rule} is restored when its time is over; {_ANEW} if you need another")
    error = RefusedError(process_redactor().text(what), _ANEW)
    if row.status == "asked":
        ledger.relaxations.end(row.id, "refused", message=str(error), now=utc_now())
    raise error
