"""The faults there are, and how they are chosen."""

from __future__ import annotations

from tests.faults.catalogue import catalogue, chosen, names_steps

FAULTS = catalogue(("build", "drill", "up"), ("up", "smoke"))


def test_every_step_of_the_journal_is_killed_in() -> None:
    titles = {fault.title for fault in FAULTS}
    assert {f"promote: SIGKILL in {step}" for step in ("build", "drill", "up", "restore")} <= titles
    assert {f"rollback: SIGKILL in {step}" for step in ("up", "smoke")} <= titles


def test_every_fault_has_a_line_of_its_own() -> None:
    assert len({fault.title for fault in FAULTS}) == len(FAULTS)


def test_a_pattern_chooses_by_any_part_of_the_line() -> None:
    assert [fault.title for fault in chosen(FAULTS, ["in drill"])] == ["promote: SIGKILL in drill"]
    assert {fault.flow for fault in chosen(FAULTS, ["rollback: *"])} == {"rollback"}
    assert len(chosen(FAULTS, ["in drill", "promote: two"])) == 2
    assert chosen(FAULTS, []) == FAULTS
    assert chosen(FAULTS, ["no such thing"]) == ()


def test_the_steps_are_learned_only_where_a_pattern_needs_them() -> None:
    assert names_steps([])
    assert names_steps(["SIGKILL in *"])
    assert names_steps(["in drill"])
    assert not names_steps(["two at once", "engine killed in [mu]*"])
