"""The comment on a pull request says where its change is, and nothing from outside acts in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from blocks.values.lifecycle import Kind, Status
from blocks.values.releases import Revision
from blocks.values.rollback import RollbackStrategy, StrategyKind
from blocks.values.schema_changes import MigrationVerdict, Risk
from flows.domain.publication.comment import Ask, Attempt, RunningIn, comment_body
from tests.tasks.ledger.samples import make_commit, make_plan, make_release

NOW = datetime(2026, 11, 26, 8, 5, tzinfo=UTC)
NAMES = ("feature", "staging", "prod")
RUN = "https://prefect.example/runs/flow-run/7"


def stay(**changes: Any) -> RunningIn:
    values: dict[str, Any] = {
        "environment": "staging",
        "address": "https://staging.example",
        "release_id": make_release("a").id,
        "since": NOW,
        "promotion": 6,
        "run": RUN,
    }
    return RunningIn(**values | changes)


def attempt(**changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "environment": "prod",
        "kind": Kind.PROMOTE,
        "status": Status.WAITING,
        "message": "waiting for 2 of 2 approvals",
        "release_id": make_release("a").id,
        "at": NOW,
        "promotion": 7,
        "run": RUN,
        "plan": make_plan(
            "a",
            commits=(make_commit("a"), make_commit("b")),
            pending=(Revision(id="a1b2", message="add orders"), Revision(id="c3")),
            verdicts=(MigrationVerdict(revision="a1b2", risk=Risk.LOCKING),),
            backup=True,
        ),
        "ask": Ask(have=0, need=2, missing=("ana", "ben"), until=NOW),
    }
    return Attempt(**values | changes)


def test_a_change_that_runs_and_waits() -> None:
    body = comment_body("shop", NAMES, [stay()], [attempt()])
    lines = body.splitlines()
    assert lines[:2] == ["<!-- sluice: shop -->", "### Where this change is in shop"]
    release = make_release("a").id
    assert (
        f"| [staging](https://staging.example) | `{release}` | 2026-11-26 08:05 UTC | **runs** | [6]({RUN}) |"
    ) in lines
    assert f"| prod | `{release}` | 2026-11-26 08:05 UTC | waiting for approvals | [7]({RUN}) |" in lines
    assert "2 new commits, 0 of 0 images change, 2 migrations (locking), a backup is taken first" in body
    assert "| `a1b2` | add orders | 🟡 locking |" in lines
    assert "| `c3` |  | not judged |" in lines
    assert (
        f"**To approve:** open [the run in the Prefect UI]({RUN}), choose Resume, and answer with your one-time "
        "code. 0 of 2 approvals are given; asked: ana, ben; until 2026-11-26 08:05 UTC." in lines
    )
    assert comment_body("shop", NAMES, [stay()], [attempt()]) == body


def test_a_change_that_is_nowhere() -> None:
    assert "It runs nowhere." in comment_body("shop", NAMES, [], [])


def test_what_failed_says_why_and_asks_nobody() -> None:
    one = attempt(status=Status.REFUSED, message="test is red: mend it", plan=None, ask=None, run="")
    body = comment_body("shop", NAMES, [], [one])
    assert "| refused | 7 |" in body
    assert "**prod:** test is red: mend it" in body
    assert "To approve" not in body
    silent = attempt(status=Status.ABANDONED, message="", plan=None, ask=None, release_id="")
    assert "**prod:**" not in comment_body("shop", NAMES, [], [silent])


def test_a_rollback_that_asks_for_a_restore() -> None:
    plan = make_plan(
        "a",
        commits_leaving=(make_commit("b"),),
        going_back=RollbackStrategy(way=StrategyKind.RESTORE, reason="12 rows would be lost"),
        override="it is urgent",
        expected_seconds=None,
    )
    body = comment_body("shop", NAMES, [], [attempt(kind=Kind.ROLLBACK, plan=plan, ask=None)])
    assert "| rollback: waiting for approvals |" in body
    assert "1 removed" in body
    assert "no migration." in body
    assert "**Way back:** restore: 12 rows would be lost" in body
    assert "**Override:** it is urgent" in body


def test_nobody_who_is_left_to_ask() -> None:
    ask = Ask(have=1, need=2, missing=(), until=NOW)
    assert "asked: nobody;" in comment_body("shop", NAMES, [], [attempt(ask=ask, plan=None)])


def test_a_review_may_answer_with_a_line_of_its_own() -> None:
    ask = Ask(have=0, need=1, missing=("ana",), until=NOW, review="sluice prod 0123456789abcdef")
    body = comment_body("shop", NAMES, [], [attempt(ask=ask)])
    assert "with this line in it:\n\n```\nsluice prod 0123456789abcdef\n```" in body
    assert "with this line" not in comment_body("shop", NAMES, [], [attempt()])


def test_what_comes_from_outside_is_only_text() -> None:
    plan = make_plan("a", pending=(Revision(id="x|y", message="@all closes #5 | <b>\n# head"),))
    body = comment_body("shop", NAMES, [], [attempt(plan=plan, message="@ana")])
    assert "@<!-- -->all closes #<!-- -->5 \\| &#60;b&#62; # head" in body
    assert "@ana" not in body


def test_many_migrations_are_counted_and_the_whole_is_bounded() -> None:
    plan = make_plan("a", pending=tuple(Revision(id=f"r{n}", message="x" * 100) for n in range(30)))
    body = comment_body("shop", NAMES, [], [attempt(plan=plan)])
    assert "… and 10 more" in body
    names = tuple(f"env{n}" for n in range(600))
    body = comment_body("shop", names, [stay(environment=name) for name in names], [])
    assert len(body) <= 65_536
    assert body.endswith("GitHub takes no more.\n")
