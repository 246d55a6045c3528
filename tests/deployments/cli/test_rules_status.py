"""`sluice status` says which rules on GitHub are not kept, and which are relaxed."""

from __future__ import annotations

from datetime import timedelta

from blocks.values.drift import Difference
from blocks.values.rules import BranchProtection
from tasks.ledger.store import Ledger
from tests.deployments.cli.rows import T0, release, succeeded
from tests.deployments.conftest import Sluice


def relaxed(ledger: Ledger, pipeline: str = "shop") -> int:
    number = ledger.relaxations.open(
        pipeline=pipeline,
        repository=f"https://github.com/acme/{pipeline}",
        branch="main",
        rule="enforce_admins",
        seconds=900,
        reason="the import is stuck",
        requested_by="cleo",
        flow_run_id=pipeline,
        now=T0,
    ).id
    ledger.relaxations.begin(number, before=BranchProtection(), approved_by="ana", now=T0)
    return number


def test_a_relaxed_rule_is_shown_until_it_is_back(sluice: Sluice, ledger: Ledger) -> None:
    succeeded(ledger, release(1), "staging")
    assert "Rules on GitHub" not in sluice("status").out
    number = relaxed(ledger)
    shown = sluice("status").out
    assert "Rules on GitHub that are relaxed for a limited time" in shown
    assert (
        "enforce_admins on main is relaxed until 2026-11-20 09:15 UTC, by ana: the import is stuck" in shown
    )
    assert "Rules on GitHub" not in sluice("status", "--pipeline", "other").out
    ledger.relaxations.end(number, "restored", message="back", now=T0 + timedelta(minutes=15))
    assert "Rules on GitHub" not in sluice("status").out


def test_rules_that_are_not_kept_are_shown(sluice: Sluice, ledger: Ledger) -> None:
    one = Difference("GitHub", "protection", "main strict", "is false, the pipeline asks for true")
    ledger.drift.see("shop", "GitHub", {"GitHub"}, [one], T0)
    shown = sluice("status").out
    assert "Rules on GitHub that are missing" in shown
    assert "main strict" in shown
    assert "is false, the pipeline asks for true" in shown
    ledger.drift.see("shop", "GitHub", {"GitHub"}, [], T0)
    assert "main strict" not in sluice("status").out
