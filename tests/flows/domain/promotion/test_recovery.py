"""What a resumed run does and what a failure means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.base import Value
from blocks.values.lifecycle import ENDED, Status, may_follow
from flows.domain.promotion.recovery import (
    Action,
    Ending,
    StepStatus,
    after_failure,
    after_restoring,
    failure_note,
    next_action,
    up_started,
)
from tasks.kernel.errors import FencedError, SluiceError, TerminalError, TransientError


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
    assert next_action(status, BEFORE) is action


@pytest.mark.parametrize("status", ["started", "finished"])
def test_a_switch_that_was_cut_goes_on(status: StepStatus) -> None:
    steps = (*BEFORE, Row(name="up", host="web-1", status=status))
    assert next_action(Status.RUNNING, steps) is Action.CONTINUE
    assert up_started(steps)
    assert not up_started(BEFORE)


@pytest.mark.parametrize(("failed", "action"), [("up", "restore"), ("smoke", "restore"), ("tag", "continue")])
def test_a_failure_after_the_switch_brings_the_previous_release_back(failed: str, action: str) -> None:
    steps = [*BEFORE, Row(name="up"), Row(name="smoke"), Row(name="record")]
    steps = [step for step in steps if step.name != failed] + [Row(name=failed, status="failed")]
    assert next_action(Status.RUNNING, steps) == action


def test_a_failure_before_the_switch_restores_nothing() -> None:
    steps = (*BEFORE, Row(name="migrate", status="failed"))
    assert next_action(Status.RUNNING, steps) is Action.CONTINUE


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
    assert (found is Action.REPORT) is (status in ENDED)
    if found is Action.RESTORE and status is Status.RUNNING:
        assert "up" in {row.name for row in rows}


@pytest.mark.parametrize(
    ("previous", "up", "refused", "status"),
    [
        ("r1", False, True, Status.REFUSED),
        ("r1", False, False, Status.FAILED),
        ("r1", True, False, Status.RESTORING),
        ("r1", True, True, Status.RESTORING),
        (None, True, False, Status.FAILED),
    ],
)
def test_what_a_failure_means(previous: str | None, up: bool, refused: bool, status: Status) -> None:
    assert after_failure(previous, up_started=up, refused=refused) is status
    assert may_follow(Status.RUNNING, status)


@pytest.mark.parametrize(
    ("failed", "status", "message"),
    [
        ({}, Status.RESTORED, "red (r1 runs again on a)"),
        (
            {"b": TerminalError("down"), "c": TransientError("away", "wait")},
            Status.BROKEN,
            "red; then restoring failed on b, c: down; away — wait (r1 runs again on a)",
        ),
        ({"b": TerminalError("down"), "c": FencedError("taken")}, Status.ABANDONED, "red; then taken"),
    ],
)
def test_what_restoring_ends_with(failed: dict[str, SluiceError], status: Status, message: str) -> None:
    found = after_restoring("red", ["r1 runs again on a"], failed)
    assert found == Ending(status=status, message=message)
    assert may_follow(Status.RESTORING, status)


@pytest.mark.parametrize(
    ("status", "previous", "note"),
    [
        (Status.BROKEN, "r1", "r1 could not be started again in prod: a person has to fix it now"),
        (Status.RESTORING, "r1", "r1 is being started again in prod"),
        (Status.FAILED, None, "nothing ran before in prod, so there is nothing to go back to"),
        (Status.FAILED, "r1", "r1 still runs in prod"),
    ],
)
def test_a_failure_says_what_it_leaves_behind(status: Status, previous: str | None, note: str) -> None:
    assert failure_note(status, "prod", previous) == note
