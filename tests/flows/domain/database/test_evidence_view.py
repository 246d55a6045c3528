"""What migrations do and what a copy proved, as people read it."""

from __future__ import annotations

from blocks.values.schema_changes import Risk
from flows.domain.promotion.plan_view import plan_markdown, plan_text
from tests.flows.domain.database.evidence_samples import drill, health, rehearsal, verdict
from tests.flows.domain.samples import plan


def test_verdict_sql_and_proof_stand_in_the_plan() -> None:
    text = plan_markdown(plan(verdicts=(verdict(Risk.DESTRUCTIVE),), rehearsal=rehearsal()))
    assert "🔴 destructive" in text
    assert "stop using it first, drop it a release later" in text
    assert "```sql\n-- 0003\nALTER TABLE orders DROP COLUMN note;\n```" in text
    assert "restores: 3 tables, 1200 rows in 1.5 s" in text
    assert "AccessExclusiveLock on public.orders" in text
    assert "| **Rollback of the code alone** | works |" in text


def test_a_proof_that_failed_says_why() -> None:
    proof = rehearsal(old=health(False, "column note is gone"), drill=drill(differences=("orders is empty",)))
    rows = dict(plan_text(plan(verdicts=(verdict(Risk.OPAQUE),), rehearsal=proof, override="agreed")))
    assert rows["rehearsal: Running release on it"] == "backend: fails: column note is gone"
    assert rows["rehearsal: Rollback of the code alone"] == "is not proven"
    assert rows["rehearsal: Dump"] == "differs: orders is empty"
    assert rows["override"] == "agreed"
    assert rows["verdict 0003"] == "opaque"


def test_sql_from_outside_cannot_end_its_block() -> None:
    hostile = verdict(Risk.ADDITIVE).model_copy(update={"sql": "SELECT 1;\n```\n# {{ owned }}"})
    text = plan_markdown(plan(verdicts=(hostile,)))
    assert "````sql" in text
    assert "{{" not in text


def test_long_sql_is_cut_and_says_so() -> None:
    long = tuple(
        verdict(Risk.ADDITIVE, f"{n:04}").model_copy(update={"sql": ("SELECT 1" + ", 1" * 30 + ";\n") * 200})
        for n in range(9)
    )
    text = plan_markdown(plan(verdicts=long))
    assert "\n-- …\n```" in text
    assert len(text) < 20_000
