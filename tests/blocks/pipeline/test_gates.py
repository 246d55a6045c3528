"""The section `gates`: what may be written, and what is told about mistakes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.pipeline import Freeze, Gates, PipelineError, load_pipeline
from blocks.pipeline.moments import DAYS, WEEK_MINUTES, WeekMoment, parse_moment

BEFORE = """\
pipeline: shop
environments:
  dev: {hosts: dev, branches: main}
  prod:
    hosts: prod
    tags: v*
    proven_in: dev
    approvals: {required: 1, approvers: [ana, ben]}
"""


def written(gates: str, before: str = BEFORE) -> Gates:
    return load_pipeline(f"{before}    gates: {gates}\n").policy("prod").gates


def problems(gates: str, before: str = BEFORE) -> str:
    with pytest.raises(PipelineError) as told:
        written(gates, before)
    return str(told.value)


def test_without_gates_nothing_changes() -> None:
    plain, empty = (
        load_pipeline(BEFORE).policy("prod"),
        load_pipeline(f"{BEFORE}    gates: {{}}\n").policy("prod"),
    )
    assert plain.gates == Gates() == empty.gates
    assert plain.checksum == empty.checksum
    off = load_pipeline(BEFORE.replace("approvers: [ana, ben]", "approvers: [ana, ben], reviews: false"))
    assert off.policy("prod").checksum == plain.checksum
    on = load_pipeline(BEFORE.replace("approvers: [ana, ben]", "approvers: [ana, ben], reviews: true"))
    assert on.policy("prod").checksum != plain.checksum
    # Plans that waited for approvals when gates came up keep their hash: nothing of them is in the checksum.
    assert load_pipeline(f"{BEFORE}    gates: {{soak: 1h}}\n").policy("prod").checksum != plain.checksum
    assert not plain.gates.asks_github


@pytest.mark.parametrize(
    "gates", ["{checks: test}", "{branch_checks: true}", "{reviews: 1}", "{protection: true}"]
)
def test_which_gates_ask_github(gates: str) -> None:
    assert written(gates).asks_github


def test_one_check_needs_no_list() -> None:
    assert written("{checks: test}").checks == ("test",)
    assert written("{checks: ['build (3.11, ubuntu)', ci/lint]}").checks == (
        "build (3.11, ubuntu)",
        "ci/lint",
    )


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ("{chekcs: test}", 'environments.prod.gates.chekcs: unknown key — did you mean "checks"?'),
        ("{checks: [a, a]}", '"a" is listed twice'),
        ("{checks: ['']}", "gates.checks[0]: expected the name of a check"),
        ("{reviews: 21}", "expected at most 20, got 21"),
        ("{timezone: Berlin}", 'expected a time zone such as Europe/Berlin, got "Berlin"'),
        ("{timezone: ../x}", "expected a time zone"),
        ("{reachable_from: 'v*'}", "expected the name of one branch"),
        ("{soak: soon}", "expected a duration"),
        ("{every: 1s}", "expected at least 5s"),
        ("{freeze: [{until: mon}]}", "environments.prod.gates.freeze[0].from: required key is missing"),
        (
            "{freeze: [{from: friday, until: mon}]}",
            'expected a moment such as fri 16:00 or 2026-12-23 18:00, got "friday"',
        ),
        ("{freeze: [{from: fri 25:00, until: mon}]}", "expected a moment"),
        ("{freeze: [{from: fri 24:01, until: mon}]}", "expected a moment"),
        ("{freeze: [{from: 2026-02-30, until: 2026-03-01}]}", "expected a moment"),
        ("{freeze: [{from: 0001-01-01, until: 2026-03-01}]}", "expected a moment"),
        ("{freeze: [{from: fri, until: 2026-03-01}]}", "both of every week, or both dates"),
        ("{freeze: [{from: 2026-03-01, until: 2026-03-01}]}", "ends before it begins"),
        ("{freeze: [{from: 2026-03-02, until: 2026-03-01}]}", "ends before it begins"),
        ("{freeze: [{from: sun 24:00, until: mon}]}", "ends before it begins"),
        ("{checklist: [a, a]}", '"a" is listed twice'),
        ("{checklist: ['']}", "gates.checklist[0]: expected a line of text"),
        ("{hotfix: {skips: [checks]}}", "expected one of proven, soak, freeze, version, reachable"),
        ("{hotfix: {skips: [soak, soak]}}", '"soak" is listed twice'),
        (
            "{hotfix: {approvals: 3}}",
            "gates.hotfix.approvals: expected at most the number of approvers (2), got 3",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(gates: str, message: str) -> None:
    assert message in problems(gates)


def test_gates_that_could_never_open() -> None:
    alone = BEFORE.replace("    proven_in: dev\n", "")
    assert "gates.soak: a release soaks in the previous environment — add proven_in" in problems(
        "{soak: 1h}", alone
    )
    branches = BEFORE.replace("    tags: v*\n", "    branches: main\n")
    assert "gates.version: only tags are versions — add tags" in problems("{version: true}", branches)
    nobody = BEFORE.replace("    approvals: {required: 1, approvers: [ana, ben]}\n", "")
    assert "gates.checklist: the approvers tick it" in problems("{checklist: alerts are on}", nobody)
    both = BEFORE.replace("approvers: [ana, ben]", "approvers: [ana, ben], reviews: true")
    assert "approvals.reviews: a review cannot tick it" in problems("{checklist: alerts are on}", both)
    assert written("{soak: 1h}", both).soak
    assert "gates.hotfix: a hotfix needs approvals" in problems("{hotfix: {}}", nobody)
    one = BEFORE.replace("[ana, ben]", "[ana]")
    assert "gates.hotfix: expected at most the number of approvers (1), got 2" in problems(
        "{hotfix: {}}", one
    )
    assert written("{hotfix: null}", nobody).hotfix is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("mon", WeekMoment(0)),
        ("fri 16:00", WeekMoment(4 * 1440 + 960)),
        ("sun 24:00", WeekMoment(0)),
        ("2026-12-23", datetime.fromisoformat("2026-12-23")),
        ("2026-12-23 18:30", datetime.fromisoformat("2026-12-23T18:30")),
        ("2026-12-31 24:00", datetime.fromisoformat("2027-01-01")),
    ],
)
def test_moments(text: str, moment: object) -> None:
    assert parse_moment(text) == moment


@given(st.sampled_from(DAYS), st.integers(0, 23), st.integers(0, 59))
def test_every_minute_of_the_week_can_be_written(day: str, hour: int, minute: int) -> None:
    found = parse_moment(f"{day} {hour:02}:{minute:02}")
    assert isinstance(found, WeekMoment)
    assert 0 <= found.minute < WEEK_MINUTES
    assert found.minute % 1440 == hour * 60 + minute


@given(st.text(max_size=20))
def test_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(ValueError, match="expected a moment"):
        parse_moment(f"{text}!")


@pytest.mark.parametrize("key", ["from", "start"])
def test_a_freeze_comes_back_as_it_was_written(key: str) -> None:
    values: dict[str, Any] = {key: "fri 16:00", "until": "mon"}
    made = Freeze(**values)
    assert made.model_dump(mode="json") == {"from": "fri 16:00", "until": "mon", "reason": None}
    assert Freeze.from_json(made.to_json()) == made
    with pytest.raises(ValidationError):
        Freeze(**values | {"until": "fri 16:00"})
