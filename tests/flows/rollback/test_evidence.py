"""What a rollback takes from the plans of the promotions before it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.pipeline import Migration
from blocks.values.lifecycle import Status
from blocks.values.plans import Plan
from flows.domain.database.verdicts import pending_unknown
from flows.rollback.evidence import told_since
from tests.flows.domain.samples import plan, release, revisions

TARGET = release()


def run_of(newest: Plan) -> Any:
    """Return a rollback after one promotion that migrated, and before it one of the target."""
    rows = [
        SimpleNamespace(id=2, release_id="newer", status=Status.SUCCEEDED, plan=newest),
        SimpleNamespace(id=1, release_id=TARGET.id, status=Status.SUCCEEDED, plan=plan()),
    ]
    return cast(
        "Any",
        SimpleNamespace(
            pipeline="shop",
            environment="prod",
            description=SimpleNamespace(
                migration=Migration(service="app", command=("up",), revisions=("pending",))
            ),
            ledger=SimpleNamespace(
                promotions=SimpleNamespace(history=lambda *_, **__: rows),
                steps=SimpleNamespace(of=lambda _: [SimpleNamespace(name="migrate")]),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("newest", "told"),
    [
        (plan(pending=revisions("c3")), revisions("c3")),
        (plan(pending=()), ()),
        (plan(pending=(), verdicts=(pending_unknown("the tool failed"),)), None),
    ],
)
def test_a_promotion_that_did_not_know_its_migrations_is_not_one_without(newest: Plan, told: Any) -> None:
    assert told_since(run_of(newest), TARGET) == told
