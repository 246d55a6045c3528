"""What a resumed run does and what a failure means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.base import Value
from blocks.values.lifecycle import ENDED, OPEN, Status, may_follow
from flows.domain.promotion.recovery import (
    Action,
    NextAction,
    StepStatus,
    after_failure,
    failure_note,
    next_action,
)


class Row(Value):
    name: str
    status: StepStatus = "finished"
    host: str = ""


BEFORE = (Row(name="lease"), Row(name="pull", host="web-1"), Row(name="backup"))
STEPS = [
    "lease",
    "preflight",
    "pull",
    "backup",
    "migrate",
    "up",
    "smoke",
    "restore",
    "record",
    "tag",
    "notify",
]


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (Status.PLANNING, Action.PLAN),
        (Status.WAITING, Action.ASK),
        (Status.APPROVED, Action.LEASE),
        (Status.RUNNING, Action.CONTINUE),
        (Status.RESTORING, Action.RESTORE),
        *[(status, Action.REPORT) for status in sorted(ENDED)],
    ],
)
def test_the_status_says_what_is_next(status: Status, action: Action) -> None:
    assert next_action(status, BEFORE).action is action


def test_a_cut_step_is_run_again_and_finished_ones_are_not() -> None:
    found = next_action(Status.RUNNING, (*BEFORE, Row(name="migrate", status="started")))
    assert found == NextAction(
        action=Action.CONTINUE,
        finished=("lease", "pull@web-1", "backup"),
        cut=("migrate",),
        up_started=False,
    )


@pytest.mark.parametrize("status", ["started", "finished"])
def test_a_switch_that_was_cut_goes_on(status: StepStatus) -> None:
    found = next_action(Status.RUNNING, (*BEFORE, Row(name="up", host="web-1", status=status)))
    assert (found.action, found.up_started) == (Action.CONTINUE, True)


@pytest.mark.parametrize(("failed", "action"), [("up", "restore"), ("smoke", "restore"), ("tag", "continue")])
def test_a_failure_after_the_switch_brings_the_previous_release_back(failed: str, action: str) -> None:
    steps = [*BEFORE, Row(name="up"), Row(name="smoke"), Row(name="record")]
    steps = [step for step in steps if step.name != failed] + [Row(name=failed, status="failed")]
    assert next_action(Status.RUNNING, steps).action == action


def test_a_failure_before_the_switch_restores_nothing() -> None:
    found = next_action(Status.RUNNING, (*BEFORE, Row(name="migrate", status="failed")))
    assert found.action is Action.CONTINUE


@given(
    st.sampled_from(sorted(Status)),
    st.lists(
        st.builds(Row, name=st.sampled_from(STEPS), status=st.sampled_from(["started", "finished", "failed"]))
    ),
)
def test_nothing_is_restored_before_the_switch_and_nothing_changes_after_the_end(
    status: Status, rows: list[Row]
) -> None:
    found = next_action(status, rows)
    assert (found.action is Action.REPORT) is (status in ENDED)
    if found.action is Action.RESTORE and status is Status.RUNNING:
        assert "up" in {row.name for row in rows}
    assert len(found.finished) + len(found.cut) + sum(row.status == "failed" for row in rows) == len(rows)


@pytest.mark.parametrize(
    ("step", "previous", "up", "refused", "status"),
    [
        ("preflight", "r1", False, True, Status.REFUSED),
        ("backup", "r1", False, False, Status.FAILED),
        ("migrate", "r1", False, False, Status.FAILED),
        ("up", "r1", False, False, Status.FAILED),
        ("up", "r1", True, False, Status.RESTORING),
        ("smoke", "r1", True, True, Status.RESTORING),
        ("up", None, True, False, Status.FAILED),
        ("restore", "r1", True, False, Status.BROKEN),
        ("record", "r1", True, False, Status.RUNNING),
        ("tag", "r1", True, False, Status.SUCCEEDED),
        ("notify", None, True, False, Status.SUCCEEDED),
    ],
)
def test_what_a_failure_means(
    step: str, previous: str | None, up: bool, refused: bool, status: Status
) -> None:
    assert after_failure(step, previous, up_started=up, refused=refused) is status


@given(st.sampled_from(STEPS), st.sampled_from([None, "r1"]), st.booleans(), st.booleans())
def test_what_a_failure_means_is_always_legal(
    step: str, previous: str | None, up: bool, refused: bool
) -> None:
    current = Status.RESTORING if step == "restore" else Status.RUNNING
    following = after_failure(step, previous, up_started=up, refused=refused)
    assert current in OPEN
    assert may_follow(current, following)


@pytest.mark.parametrize(
    ("status", "previous", "note"),
    [
        (Status.BROKEN, "r1", "r1 could not be brought back in prod: a person is needed now"),
        (Status.RESTORING, "r1", "r1 is being started again in prod"),
        (Status.FAILED, None, "nothing ran before in prod, so there is nothing to go back to"),
        (Status.FAILED, "r1", "r1 still runs in prod"),
    ],
)
def test_a_failure_says_what_it_leaves_behind(status: Status, previous: str | None, note: str) -> None:
    assert failure_note(status, "prod", previous) == note
