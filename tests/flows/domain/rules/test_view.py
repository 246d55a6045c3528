"""What people are told about rules: short, in order, and nothing from outside gets markup."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from blocks.values.drift import Difference
from flows.domain.approvals.values import QuorumState
from flows.domain.rules.difference import RuleLine, RuleState
from flows.domain.rules.view import (
    overdue,
    relax_form,
    relaxed_text,
    restored_text,
    rule_differences,
    rule_lines,
    rule_rows,
    rules_drift_text,
    rules_markdown,
    rules_summary,
    standing_line,
    waiting_text,
)

UNTIL = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)


@dataclass
class Asked:
    """A request to relax a rule."""

    id: int = 3
    branch: str = "main"
    rule: str = "enforce_admins"
    seconds: int = 900
    reason: str = "the *import* | is stuck"
    requested_by: str = "cleo"
    approved_by: str = "ana"
    until: datetime | None = UNTIL


def line(rule: str, state: RuleState, found: str = "false", wanted: str = "true") -> RuleLine:
    return RuleLine(place="main", rule=rule, found=found, wanted=wanted, state=state)


LINES = (
    line("strict", RuleState.IN_FORCE, "true"),
    line("required_linear_history", RuleState.RULESET, "true"),
    line("required_approving_review_count", RuleState.STRICTER, "3", "2"),
    line("enforce_admins", RuleState.RELAXED),
    line("required_status_checks", RuleState.MISSING, "a|b", "a|b, *c*"),
)


def test_what_is_missing_comes_first() -> None:
    assert [row[2] for row in rule_rows(LINES)] == [
        "required_status_checks",
        "enforce_admins",
        "required_approving_review_count",
        "required_linear_history",
        "strict",
    ]
    assert rule_lines(LINES) == ["main required_status_checks: a|b → a|b, *c*"]
    assert rule_differences(LINES) == [
        Difference(
            "GitHub",
            "protection",
            "main required_status_checks",
            "is a|b, the pipeline asks for a|b, *c*",
        )
    ]


def test_the_summary_counts() -> None:
    assert rules_summary(LINES, changed=(), applied=False) == (
        "3 of 5 rules are in force; 1 are missing; 1 are relaxed for a limited time; "
        "nothing was changed: run it with apply"
    )
    assert rules_summary(LINES[:1], changed=("main",), applied=True) == (
        "1 of 1 rules are in force; changed: main"
    )
    assert rules_summary(LINES[4:], changed=(), applied=True) == "0 of 1 rules are in force; 1 are missing"
    assert rules_summary((), changed=(), applied=False).startswith("the pipeline asks for no rules")


def test_the_report_escapes_what_comes_from_outside() -> None:
    page = rules_markdown(
        "shop",
        LINES,
        changed=("main",),
        failed=("GitHub <said> no",),
        standing=(Asked(),),
        page="https://x/a",
    )
    assert "| main | `required_status_checks` | a\\|b | a\\|b, \\*c\\* | **missing** |" in page
    assert "## Changed\n\n- main" in page
    assert "GitHub &#60;said&#62; no" in page
    assert "the \\*import\\* \\| is stuck" in page
    empty = rules_markdown("shop", (), changed=(), failed=(), standing=(), page="")
    assert "The pipeline asks for none." in empty
    assert "##" not in empty


def test_who_relaxed_what_until_when_and_why() -> None:
    assert standing_line(Asked()) == (
        "enforce_admins on main is relaxed until 2026-11-26 12:30 UTC, by ana: the *import* | is stuck"
    )
    assert standing_line(Asked(until=None)).startswith("enforce_admins on main is relaxed by ana")
    assert relaxed_text("shop", Asked()).splitlines()[0] == "Relaxed: shop"
    assert restored_text("shop", Asked(), "its time was over").splitlines() == [
        "Back in force: enforce_admins on main of shop",
        "its time was over",
    ]
    assert overdue(Asked(), "no\nanswer") == Difference(
        "", "relaxation", "main enforce_admins", "could not be put back: no answer"
    )


def test_the_form_says_what_a_yes_does() -> None:
    state = QuorumState(approved=False, rejected=False, have=0, need=1, missing=("ana", "ben"))
    form = relax_form(Asked(), state, "https://github.com/acme/shop", expires_after=timedelta(hours=1))
    assert "| Rule | `enforce_admins` |" in form
    assert "| For | 15 min |" in form
    assert "| Why | the \\*import\\* \\| is stuck |" in form
    assert "cleo (as they say)" in form
    assert "**0 of 1** said yes. May still answer: ana, ben." in form
    again = relax_form(
        Asked(requested_by=""),
        state.model_copy(update={"missing": ()}),
        "x",
        expires_after=timedelta(hours=1),
        last_refusal="the one-time code is wrong",
    )
    assert again.startswith("**The last answer did not count:** the one-time code is wrong.")
    assert "| Asked by | not said |" in again
    assert again.endswith("**0 of 1** said yes.")


def test_the_channels_are_told_who_asks_and_where_to_answer() -> None:
    assert waiting_text("shop", Asked(), "http://run").splitlines() == [
        "Asked: relax enforce_admins on main of shop for 15 min",
        "by cleo: the *import* | is stuck",
        "http://run",
    ]
    assert "by somebody who did not say" in waiting_text("shop", Asked(requested_by=""), "")


def test_drift_is_told_with_what_to_do() -> None:
    one = Difference("GitHub", "protection", "main strict", "is false, the pipeline asks for true")
    assert rules_drift_text("shop", [one], [], 1).splitlines() == [
        "Rules on GitHub are missing: shop, 1 standing",
        "- main strict is false, the pipeline asks for true",
        "run protect/github with apply, or change pipeline.yaml",
    ]
    assert rules_drift_text("shop", [], [one], 0).splitlines() == [
        "Rules on GitHub are in force again: shop, 0 standing",
        "- gone: main strict",
    ]
