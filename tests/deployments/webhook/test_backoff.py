"""How long what does not answer is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deployments.webhook.backoff import LONGEST, Backoff

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def test_each_failure_doubles_the_pause_up_to_a_minute() -> None:
    backoff = Backoff()
    pauses = [(backoff.close("shop", NOW) - NOW).total_seconds() for _ in range(9)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_one_that_fails_for_days_is_still_asked() -> None:
    backoff = Backoff()
    assert max(backoff.close("shop", NOW) for _ in range(5000)) == NOW + LONGEST


def test_things_are_left_alone_each_for_itself_and_until_they_answer() -> None:
    backoff = Backoff()
    backoff.close("shop", NOW)
    backoff.close(("shop", "prod"), NOW)
    assert backoff.names(NOW) == {"shop", ("shop", "prod")}
    backoff.open("shop")
    assert backoff.names(NOW) == {("shop", "prod")}
    assert backoff.names(NOW + timedelta(seconds=1)) == set()
    assert backoff.close("shop", NOW) == NOW + timedelta(seconds=1)
