"""The doctor's warnings about what `reconcile` found."""

from __future__ import annotations

from pathlib import Path

from blocks.git_repository import GitRepository
from blocks.pipeline import load_pipeline
from blocks.settings import Settings
from blocks.values.drift import Difference
from deployments.doctor.application import ApplicationFacts
from deployments.doctor.drift import drift_checks
from deployments.doctor.findings import Finding, run_checks
from tasks.ledger.store import Ledger
from tests.deployments.cli.rows import T0

PIPELINE = """
pipeline: shop
registry: main
environments:
  staging: {hosts: [staging], branches: [main]}
  prod: {hosts: [web-1], tags: ["*"]}
"""


def findings(home: Path, text: str = PIPELINE) -> list[Finding]:
    pipeline = load_pipeline(text, "pipeline.yaml")
    policies = tuple(pipeline.policy(name) for name in pipeline.names)
    settings = Settings(home=home)
    return run_checks(
        drift_checks(settings, ApplicationFacts(pipeline, policies, {}, {}, GitRepository(url="/shop"), ""))
    )


def test_what_stands_is_a_warning_with_its_mend(ledger: Ledger, home: Path) -> None:
    assert [one.level for one in findings(home)] == ["ok", "ok"]
    cut = Difference("", "promotion", "7", "its run is gone: a person has to fix it")
    edited = Difference("web-1", "bundle", "compose.yaml", "was changed by hand")
    ledger.drift.see("shop", "prod", {"web-1", ""}, [cut, edited], T0)
    fine, first, second = findings(home)
    assert (fine.level, fine.where) == ("ok", "drift staging")
    assert (first.level, first.where) == ("warn", "drift prod")
    assert first.what == "promotion 7 its run is gone: a person has to fix it (since 2026-11-20 09:00 UTC)"
    assert "roll prod back" in first.mend
    assert second.what.startswith("web-1: bundle compose.yaml was changed by hand")
    ledger.drift.see("shop", "prod", {"web-1", ""}, [], T0)
    assert [one.level for one in findings(home)] == ["ok", "ok"]


def test_rules_on_github_that_are_not_kept_are_a_warning(ledger: Ledger, home: Path) -> None:
    text = PIPELINE + "protect: {branches: {main: {}}}\n"
    assert [(one.level, one.where) for one in findings(home, text)][2:] == [("ok", "drift GitHub")]
    differs = Difference("GitHub", "protection", "main strict", "is false, the pipeline asks for true")
    ledger.drift.see("shop", "GitHub", {"GitHub"}, [differs], T0)
    found = findings(home, text)[2]
    assert (found.level, found.where) == ("warn", "drift GitHub")
    assert found.mend == "run protect/github with apply, or change pipeline.yaml"
    assert len(findings(home)) == 2
