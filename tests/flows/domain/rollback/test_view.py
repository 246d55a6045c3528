"""How a rollback treats the database, as people read it."""

from __future__ import annotations

from typing import Any

from blocks.values.evidence import LossReport, TableLoss
from blocks.values.rollback import DowngradeTrial, RollbackStrategy, StrategyKind
from flows.domain.promotion.plan_view import plan_markdown, plan_text
from flows.domain.rollback.view import way_markdown, way_rows
from tests.flows.domain.samples import HOSTILE, NOW, plan

LOSS = LossReport(
    backup_path="/srv/backups/prod-before.dump",
    taken_at=NOW,
    source="copy",
    tables=(
        TableLoss(table="public.orders", inserted=3, updated=2),
        TableLoss(table="public.jobs", deleted=1),
    ),
    notes=("public.orders.note in 2 rows: the column would be gone",),
)


def restoring(**changes: Any) -> RollbackStrategy:
    values: dict[str, Any] = {
        "way": StrategyKind.RESTORE,
        "reason": "migration m2 is destructive; no command for down-migrations is known",
        "backup_path": LOSS.backup_path,
        "backup_sha256": "ab" * 32,
        "loss": LOSS,
        "most_rows": 106,
    }
    return RollbackStrategy(**(values | changes))


def test_a_promotion_has_no_way_back() -> None:
    assert way_markdown(plan()) == []
    assert way_rows(plan()) == []


def test_the_form_shows_what_is_lost_and_how_much_an_approval_covers() -> None:
    text = plan_markdown(plan(going_back=restoring()))
    assert "🔴 **restore**: migration m2 is destructive" in text
    assert "What a restore loses: 6 rows" in text
    assert "| public.orders | 3 | 2 | 0 |" in text
    assert "The dump of **2026-11-21 05:33 UTC** (`prod-before.dump`, sha256 `abababababab`)" in text
    assert "compared row by row with a restored copy" in text
    assert "An approval covers at most **106 rows**" in text
    assert "the restore can be undone" in text


def test_the_terminal_shows_the_same() -> None:
    rows = dict(plan_text(plan(going_back=restoring(todo="ask for it"))))
    assert rows["way back"] == "restore"
    assert rows["would lose"] == "6 rows, compared row by row with a restored copy"
    assert rows["  public.orders"] == "3 inserted, 2 updated, 0 deleted since"
    assert rows["you can"] == "ask for it"


def test_a_trial_says_what_came_out() -> None:
    def told(**changes: Any) -> str:
        trial = DowngradeTrial(**({"to_revision": "m1", "passed": True, "seconds": 2.5} | changes))
        return dict(
            way_rows(plan(going_back=RollbackStrategy(way=StrategyKind.DOWNGRADE, reason="x", trial=trial)))
        )["tried"]

    assert told() == "down to m1 in 2.5 s: nothing lost"
    assert told(lost=("public.jobs with 1 row",)) == "down to m1 in 2.5 s: would lose public.jobs with 1 row"
    assert told(passed=False, reason="no such table") == "down to m1 in 2.5 s: no such table"


def test_the_hash_people_approve_covers_dump_loss_and_bound() -> None:
    hashes = {
        plan(going_back=one).hash
        for one in (
            restoring(),
            restoring(backup_sha256="cd" * 32),
            restoring(most_rows=107),
            restoring(loss=LOSS.model_copy(update={"tables": LOSS.tables[:1]})),
            restoring(way=StrategyKind.FORBIDDEN),
        )
    }
    assert len(hashes) == 5


def test_hostile_names_do_no_harm() -> None:
    table = TableLoss(table=HOSTILE, inserted=1)
    loss = LOSS.model_copy(update={"tables": (table,), "notes": (HOSTILE,), "source": HOSTILE})
    text = plan_markdown(plan(going_back=restoring(loss=loss, reason=HOSTILE, todo=HOSTILE)))
    assert "<img" not in text
    assert "{{" not in text
    assert all(
        "\n" not in value for _, value in plan_text(plan(going_back=restoring(loss=loss, reason=HOSTILE)))
    )
