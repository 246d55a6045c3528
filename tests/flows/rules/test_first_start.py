"""A request to relax a rule is what it was at the run's first start."""

from __future__ import annotations

import inspect

import pytest

from blocks.values.asked import AskedFor, Parameter, RepositoryFacts
from blocks.values.rules import BranchProtection
from flows.rules.first_start import refuse_changed, refuse_elsewhere, refuse_other_rules
from flows.rules.relax import relax
from tasks.kernel.errors import RefusedError
from tasks.ledger.relaxation_records import RelaxationRecord
from tasks.ledger.store import Ledger
from tests.tasks.ledger.samples import at

WHERE = RepositoryFacts(url="/shop.git", default_branch="main", pipeline_path="pipeline.yaml", github="shop")
ASKED: dict[str, Parameter] = {
    "branch": "main",
    "rule": "enforce_admins",
    "minutes": 15,
    "reason": "a leaked key",
    "requested_by": "cleo",
    "source": "default",
}
OTHER: dict[type, Parameter] = {str: "evil", int: 1}


def opened(ledger: Ledger, *, asked: bool = True) -> RelaxationRecord:
    return ledger.relaxations.open(
        pipeline="shop",
        repository="https://github.com/acme/shop",
        branch="main",
        rule="enforce_admins",
        seconds=900,
        reason="a leaked key",
        requested_by="cleo",
        flow_run_id="run-1",
        now=at(0),
        asked=AskedFor(parameters=ASKED, repository=WHERE) if asked else None,
    )


def test_every_parameter_is_asked_for() -> None:
    assert set(ASKED) == set(inspect.signature(relax.fn).parameters)


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_request_that_waits_ends_where_its_run_asks_for_another(ledger: Ledger, name: str) -> None:
    row = opened(ledger)
    refuse_changed(ledger, row, ASKED)
    with pytest.raises(RefusedError, match=f"`{name}` was .* — ask again with a new run") as refused:
        refuse_changed(ledger, row, {**ASKED, name: OTHER[type(ASKED[name])]})
    now = ledger.relaxations.get(row.id)
    assert (now.status, now.message) == ("refused", str(refused.value))


def test_another_repository_is_not_asked(ledger: Ledger) -> None:
    row = opened(ledger)
    refuse_elsewhere(ledger, row, WHERE)
    refuse_other_rules(ledger, row, row.repository)
    with pytest.raises(RefusedError, match=r"the run's github block was changed .*`repository` was"):
        refuse_other_rules(ledger, row, "https://github.com/eve/shop")
    with pytest.raises(RefusedError, match=r"the run's git-repository block was changed .*`url` was"):
        refuse_elsewhere(ledger, row, WHERE.model_copy(update={"url": "/evil.git"}))
    assert ledger.relaxations.get(row.id).status == "refused"


def test_what_is_relaxed_stays_in_the_ledger_until_it_is_put_back(ledger: Ledger) -> None:
    row = ledger.relaxations.begin(opened(ledger).id, before=BranchProtection(), approved_by="ana", now=at(1))
    with pytest.raises(RefusedError, match="enforce_admins is restored when its time is over"):
        refuse_changed(ledger, row, {**ASKED, "branch": "release"})
    assert ledger.relaxations.get(row.id) == row


def test_a_request_from_before_the_upgrade_is_made_anew(ledger: Ledger) -> None:
    row = opened(ledger, asked=False)
    with pytest.raises(RefusedError, match="an earlier version of Sluice"):
        refuse_changed(ledger, row, ASKED)
    assert ledger.relaxations.get(row.id).status == "refused"
