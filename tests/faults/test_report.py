"""What a run's end means, and the table."""

from __future__ import annotations

import pytest

from blocks.values.lifecycle import Status
from tests.faults.report import UNKNOWN, End, Line, as_data, outcome_of, table

LINE = Line("promote", "SIGKILL", "up", ("cut off", "rolled forward"), 12.34, 2.5)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (End("COMPLETED", Status.SUCCEEDED), "rolled forward"),
        (End("COMPLETED", Status.UNCHANGED), "rolled forward"),
        (End("CRASHED", Status.RUNNING), "cut off"),
        (End("FAILED", Status.FAILED), "failed before switch"),
        (End("FAILED", Status.REFUSED), "refused"),
        (End("FAILED", Status.RESTORED, begun=True), "restored"),
        (End("FAILED", Status.BROKEN, begun=True), "broken"),
        (End("FAILED", Status.ABANDONED), "abandoned"),
        (End("FAILED", Status.SUPERSEDED), "superseded"),
        (End("CANCELLED", Status.SUPERSEDED), "superseded"),
        (End("FAILED", Status.RUNNING, "no; retry this run"), "left open for a retry"),
        (
            End("FAILED", Status.RUNNING, "the ledger did not answer; check it, then try again"),
            "left open for a retry",
        ),
        (End("FAILED", Status.RUNNING, "no"), UNKNOWN),
        (End("FAILED", Status.FAILED, begun=True), UNKNOWN),
        (End("FAILED", Status.SUCCEEDED), UNKNOWN),
        (End("COMPLETED", Status.RESTORED), UNKNOWN),
        (End("CANCELLED", Status.RUNNING), UNKNOWN),
        (End("FAILED", None), UNKNOWN),
    ],
)
def test_each_end_has_one_meaning_and_disagreement_has_none(end: End, outcome: str) -> None:
    assert outcome_of(end) == outcome


def test_a_rollback_that_succeeds_goes_back() -> None:
    assert outcome_of(End("COMPLETED", Status.SUCCEEDED), back=True) == "rolled back"
    assert outcome_of(End("FAILED", Status.RESTORED, begun=True), back=True) == "restored"


def test_a_line_is_good_only_with_a_known_end_and_a_working_release() -> None:
    assert LINE.good
    for outcomes, seconds, wrong in (
        ((), 1.0, ()),
        ((UNKNOWN,), 1.0, ()),
        (("restored",), None, ()),
        (("restored",), 1.0, ("a container is left",)),
    ):
        assert not Line("promote", "SIGKILL", "up", outcomes, seconds, 0.0, wrong).good


def test_the_table_lines_up() -> None:
    never = Line("rollback", "engine killed", "up", (), None, 100.0)
    lines = table([LINE, never]).splitlines()
    assert len({len(line) for line in lines}) == 1
    bars = {tuple(place for place, letter in enumerate(line) if letter == "|") for line in lines}
    assert len(bars) == 1
    assert "| cut off, then rolled forward |" in lines[2]
    assert "12.3 |" in lines[2]
    assert "never |" in lines[3]


def test_a_machine_is_told_the_same() -> None:
    (data,) = as_data([LINE])
    assert (data["good"], data["outcomes"], data["seconds"]) == (True, ("cut off", "rolled forward"), 12.34)
