"""For how long nothing answered."""

from __future__ import annotations

from tests.faults.probe import health_of, silence

ANSWERS = [(1.0, True), (2.0, False), (3.0, False), (4.5, True), (6.0, False), (7.0, True), (9.0, False)]


def test_silence_lasts_from_a_failed_check_to_the_next_that_passes() -> None:
    assert silence(ANSWERS, 0.0, 8.0) == 3.5


def test_silence_that_has_not_ended_lasts_until_the_end() -> None:
    assert silence(ANSWERS, 8.0, 10.0) == 1.0


def test_what_came_before_the_fault_does_not_count() -> None:
    assert silence(ANSWERS, 4.0, 5.0) == 0.0
    assert silence([], 0.0, 5.0) == 0.0


def test_only_an_answer_that_says_ok_is_good() -> None:
    assert health_of('{"status": "ok", "version": "1.0.3", "schema": null}')["version"] == "1.0.3"
    for text in ("", "[]", "<html>", '{"status": "fine"}'):
        assert health_of(text) == {}
