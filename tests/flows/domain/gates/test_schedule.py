"""The clock's gates: soak and freeze."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.pipeline import Freeze
from blocks.values.plans import GateAnswer
from flows.domain.gates.schedule import Arrival, frozen_until, not_frozen, soaked

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday
HOUR = timedelta(hours=1)
BERLIN = "Europe/Berlin"
WEEKEND = Freeze(start="fri 16:00", until="mon 08:00", reason="weekend")


def soak(*arrivals: tuple[str, float], hours: float = 2) -> GateAnswer:
    """Ask about release `a`; arrivals are releases and how many hours ago they came."""
    found = [Arrival(release_id=name, at=NOW - ago * HOUR) for name, ago in arrivals]
    return soaked("a", found, hours * 3600, upstream="staging", now=NOW)


def test_long_enough() -> None:
    answer = soak(("x", 9), ("a", 2))
    assert answer.passed
    assert answer.reason == "it ran for 2 h of 2 h in staging"


def test_not_yet() -> None:
    answer = soak(("a", 1.5), ("x", 9))
    assert (answer.passed, answer.waiting, answer.until) == (False, True, NOW + HOUR / 2)
    assert (
        answer.reason == "it ran for 1 h 30 min of 2 h in staging: the soak time ends at 2026-11-20 12:30 UTC"
    )


def test_another_took_its_place() -> None:
    answer = soak(("a", 5), ("b", 4))
    assert (answer.passed, answer.waiting, answer.until) == (False, False, None)
    assert "1 h of 2 h in staging and does not run there now: promote it there again" in answer.reason
    assert soak(("a", 5), ("b", 3)).passed


def test_several_stays_are_added_up() -> None:
    assert soak(("a", 6), ("b", 5), ("a", 1)).passed


def test_it_never_ran_there() -> None:
    assert not soak().waiting
    assert not soak(("b", 5)).passed
    # A clock that went back gives nothing.
    assert not soak(("a", -1)).passed


def at(text: str, zone: str = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def until(moment: datetime, *freezes: Freeze, zone: str = BERLIN) -> datetime | None:
    window = frozen_until(freezes, zone, moment)
    return window and window.until


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-11-20 15:59", None),
        ("2026-11-20 16:00", "2026-11-23 08:00"),
        ("2026-11-22 23:59", "2026-11-23 08:00"),
        ("2026-11-23 00:00", "2026-11-23 08:00"),
        ("2026-11-23 07:59", "2026-11-23 08:00"),
        ("2026-11-23 08:00", None),
        # The night in which the clock goes back an hour, and the one in which it goes forward.
        ("2026-10-24 12:00", "2026-10-26 08:00"),
        ("2027-03-27 12:00", "2027-03-29 08:00"),
    ],
)
def test_a_freeze_of_every_week(moment: str, end: str | None) -> None:
    assert until(at(moment), WEEKEND) == (at(end) if end else None)


def test_a_freeze_within_one_day_and_one_over_midnight() -> None:
    noon = Freeze(start="wed 12:00", until="wed 13:00")
    assert until(at("2026-11-18 12:30"), noon) == at("2026-11-18 13:00")
    assert until(at("2026-11-18 13:00"), noon) is None
    night = Freeze(start="sun 22:00", until="sun 24:00")
    assert until(at("2026-11-22 23:30"), night) == at("2026-11-23 00:00")
    almost_always = Freeze(start="wed 13:00", until="wed 12:00")
    assert until(at("2026-11-18 11:59"), almost_always) == at("2026-11-18 12:00")
    assert until(at("2026-11-18 12:30"), almost_always) is None


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-12-22 23:59", None),
        ("2026-12-23 00:00", "2027-01-02 08:00"),
        ("2027-01-02 07:59", "2027-01-02 08:00"),
        ("2027-01-02 08:00", None),
    ],
)
def test_a_freeze_on_dates(moment: str, end: str | None) -> None:
    freeze = Freeze(start="2026-12-23", until="2027-01-02 08:00")
    assert until(at(moment), freeze) == (at(end) if end else None)


def test_the_zone_counts() -> None:
    moment = at("2026-11-20 16:30")
    assert until(moment, WEEKEND, zone="UTC") is None
    assert until(moment, WEEKEND, zone="Asia/Tokyo") == at("2026-11-23 08:00", "Asia/Tokyo")


def test_freezes_that_follow_one_another_are_one() -> None:
    holidays = Freeze(start="2026-11-23 07:00", until="2026-11-24", reason="move")
    window = frozen_until([holidays, WEEKEND], BERLIN, at("2026-11-21 12:00"))
    assert window is not None
    assert (window.until, window.reason) == (at("2026-11-24 00:00"), "weekend")


def test_weeks_without_a_gap_end_somewhere() -> None:
    halves = [Freeze(start="mon", until="thu"), Freeze(start="thu", until="mon")]
    found = until(NOW, *halves)
    assert found is not None
    assert found > NOW + timedelta(days=300)


def test_what_people_read() -> None:
    friday = at("2026-11-20 17:00")
    answer = not_frozen([WEEKEND], BERLIN, now=friday)
    assert (answer.passed, answer.waiting, answer.until) == (False, True, at("2026-11-23 08:00"))
    assert answer.reason == (
        "frozen until Mon 2026-11-23 08:00 Europe/Berlin (weekend): "
        "wait, or override it with a reason (freeze_override)"
    )
    assert not_frozen([WEEKEND], BERLIN, now=at("2026-11-19 17:00")).passed


def test_an_override_needs_its_people() -> None:
    friday = at("2026-11-20 17:00")

    def ask(approvers: int, required: int = 2) -> GateAnswer:
        return not_frozen(
            [WEEKEND],
            BERLIN,
            now=friday,
            override="orders lost",
            override_required=required,
            approvers=approvers,
        )

    assert ask(2).passed
    assert ask(2).reason.endswith("overridden: orders lost")
    assert ask(0).passed
    assert not ask(1).passed
    assert "an override needs 2 approvers, the environment has 1" in ask(1).reason


MINUTES = st.integers(0, 7 * 1440 - 1)
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def weekly(minutes: tuple[int, int]) -> Freeze:
    start, end = (f"{NAMES[m // 1440]} {m % 1440 // 60:02}:{m % 60:02}" for m in minutes)
    return Freeze(start=start, until=end)


@given(
    st.lists(st.tuples(MINUTES, MINUTES).filter(lambda pair: pair[0] != pair[1]).map(weekly), max_size=3),
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2028-01-01")),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_a_freeze_ends_later_and_then_it_is_over(freezes: list[Freeze], naive: datetime, zone: str) -> None:
    moment = naive.replace(tzinfo=UTC)
    window = frozen_until(freezes, zone, moment)
    if window is not None:
        assert window.until > moment
        after = frozen_until(freezes, zone, window.until)
        # Only windows that cover every moment go on and on.
        assert after is None or window.until > moment + timedelta(days=30)


@given(st.tuples(MINUTES, MINUTES).filter(lambda pair: pair[0] != pair[1]), MINUTES)
def test_in_a_zone_without_changes_a_week_is_simple(pair: tuple[int, int], minute: int) -> None:
    start, end = pair
    inside = start <= minute < end if start < end else minute >= start or minute < end
    monday = datetime(2026, 11, 16, tzinfo=UTC)
    assert (frozen_until([weekly(pair)], "UTC", monday + timedelta(minutes=minute)) is not None) is inside
