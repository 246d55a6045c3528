"""Whose answers count as approvals, and where a run is looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from deployments.reports.views import approvers_of, run_url
from tasks.ledger.records import ApprovalRecord


def said(
    approver: str, decision: str = "approve", plan: str = "p1", *, counted: bool = True
) -> ApprovalRecord:
    answer = SimpleNamespace(approver=approver, decision=decision, plan_hash=plan, counted=counted)
    return cast("ApprovalRecord", answer)


def test_approvers_are_named_once_in_the_order_of_their_answers() -> None:
    assert approvers_of([said("grace"), said("ada"), said("grace")], "p1") == ("grace", "ada")


def test_a_yes_that_was_refused_or_is_for_another_plan_does_not_count() -> None:
    assert approvers_of([said("grace", counted=False), said("ada", plan="p0"), said("eve")], "p1") == ("eve",)


def test_a_yes_does_not_count_beside_a_no_of_the_same_person() -> None:
    assert approvers_of([said("grace"), said("ada"), said("grace", "reject")], "p1") == ("ada",)
    assert approvers_of([said("grace"), said("grace", "reject", plan="p0")], "p1") == ("grace",)


def test_a_promotion_without_a_run_has_no_address() -> None:
    assert run_url("http://here:4200/", "f-1") == "http://here:4200/runs/flow-run/f-1"
    assert run_url("http://here:4200", None) == ""
