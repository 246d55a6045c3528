"""What a watch makes of what it saw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.pipeline.watch import LogRules, Watch
from blocks.values.base import Value
from blocks.values.lifecycle import Status
from blocks.values.watch import ContainerMark, HostLook, LogError, LogSummary
from flows.domain.watch.watch import (
    FEWEST_FOR_RATE,
    judge,
    merged,
    new_errors,
    overtaken,
    restarts,
    switch_of,
    told,
)

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)


class Row(Value):
    """A row of journal or history."""

    id: int = 1
    name: str = "up"
    status: Status = Status.SUCCEEDED
    started_at: datetime = NOW
    finished_at: datetime | None = None


def error(text: str = "ERROR it broke", count: int = 1, **changes: Any) -> LogError:
    values: dict[str, Any] = {"service": "web", "text": text, "count": count, "sample": f"06:00 {text}"}
    return LogError(**(values | changes))


def logs(*errors: LogError, host: str = "prod", seconds: float = 600, **changes: Any) -> LogSummary:
    return LogSummary(host=host, seconds=seconds, lines=100, errors=errors, **changes)


def look(*errors: LogError, **changes: Any) -> HostLook:
    summary = {name: changes.pop(name) for name in ("host", "seconds", "containers") if name in changes}
    return HostLook(logs=logs(*errors, **summary), **changes)


def reasons(before: Any, looks: Any, known: Any = (), **rules: Any) -> list[str]:
    return [one.what for one in judge(Watch(**rules), before, looks, known)]


def test_what_is_as_before_is_green() -> None:
    assert reasons([logs(error(count=5))], [look(error(count=5))]) == []


def test_smoke_and_health_turn_it_red() -> None:
    found = reasons(
        [logs()], [look(smoke="smoke: GET / on prod is red: status 502"), look(ailing=("web is unhealthy",))]
    )
    assert found == ["smoke: GET / on prod is red: status 502", "on prod web is unhealthy"]


def test_an_error_that_was_not_there_turns_it_red_with_its_line() -> None:
    (finding,) = judge(Watch(), [logs(error("a"))], [look(error("a"), error("b", 4))], ())
    assert finding.what == "1 error that was not there before the switch"
    assert finding.lines == ("web (4 times): 06:00 b",)


def test_as_many_new_kinds_as_are_allowed_are_green() -> None:
    both = [look(error("b"), error("c"))]
    assert reasons([logs()], both, logs=LogRules(new_errors=2)) == []
    assert reasons([logs()], both, logs=LogRules(new_errors=1)) == [
        "2 kinds of errors that were not there before the switch"
    ]
    assert reasons([logs()], both, logs=LogRules(new_errors=None)) == []


def test_the_same_words_of_another_service_are_another_error() -> None:
    assert reasons([logs(error())], [look(error(service="db"))]) != []


def test_what_earlier_watches_saw_is_not_new() -> None:
    assert reasons([logs()], [look(error())], {error().kind}) == []


def test_what_services_say_at_each_start_is_not_new() -> None:
    assert reasons([logs(starting=(error(),))], [look(error())]) == []
    # It counts for nothing else: how often it came says nothing about the usual rate.
    assert reasons([logs(starting=(error(count=99),))], [look(error(count=10))]) == [
        "10 errors in 600 s, where 0.0 were usual before the switch"
    ]


def test_what_another_host_had_before_is_not_new() -> None:
    assert reasons([logs(error(), host="a"), logs(host="b")], [look(host="a"), look(error(), host="b")]) == []


def test_where_nothing_ran_before_nothing_is_compared() -> None:
    nothing = LogSummary(host="prod")
    assert reasons([nothing], [look(error(count=1000))]) == []
    assert reasons([], [look(error(count=1000))]) == []
    watched = error("oom", sign="pattern")
    assert reasons([nothing], [look(watched)]) == ["lines that the pipeline watches for were logged"]


def test_errors_that_become_more_frequent_turn_it_red() -> None:
    before = [logs(error(count=20), seconds=600)]
    assert reasons(before, [look(error(count=9), seconds=60)]) == []
    found = reasons(before, [look(error(count=10), seconds=60)])
    assert found == ["10 errors in 60 s, where 2.0 were usual before the switch"]
    assert reasons(before, [look(error(count=10), seconds=60)], logs=LogRules(rate=5)) == []
    assert reasons(before, [look(error(count=10), seconds=60)], logs=LogRules(rate=None)) == []


def test_few_errors_are_no_rate() -> None:
    assert FEWEST_FOR_RATE > 1
    assert reasons([logs(error(count=1))], [look(error(count=FEWEST_FOR_RATE - 1), seconds=1)]) == []


def test_what_is_watched_for_is_no_error_besides() -> None:
    found = reasons([logs()], [look(error("oom", 99, sign="pattern"))])
    assert found == ["lines that the pipeline watches for were logged"]


def test_logs_may_be_left_alone() -> None:
    assert reasons([logs()], [look(error(), error("oom", sign="pattern"))], logs=None) == []


def mark(name: str, restarts: int = 0, service: str = "web") -> ContainerMark:
    return ContainerMark(id=name, service=service, restarts=restarts)


def test_restarts_since_the_switch_are_counted() -> None:
    before = [logs(containers=(mark("db", 4, "db"),))]
    now = [look(containers=(mark("db", 5, "db"), mark("new", 2)))]
    assert restarts(before, now) == {"db": 1, "web": 2}
    assert reasons(before, now) == ["services were restarted: db once, web 2 times (0 allowed)"]
    assert reasons(before, now, restarts=3) == []
    assert restarts(before, [look(containers=(mark("db", 0, "db"),))]) == {}


def test_restarts_are_not_counted_where_nobody_knows_those_before() -> None:
    now = [look(containers=(mark("db", 5, "db"),))]
    assert restarts([], now) == {}
    assert restarts([logs(notes=("the engine did not answer",))], now) == {}
    assert restarts([logs()], now) == {"db": 5}


def test_the_switch_is_from_the_first_host_to_the_last() -> None:
    rows = [
        Row(name="pull"),
        Row(started_at=NOW, finished_at=NOW + timedelta(seconds=5)),
        Row(started_at=NOW + timedelta(seconds=6), finished_at=NOW + timedelta(seconds=9)),
    ]
    switch = switch_of(rows)
    assert switch is not None
    assert (switch.begun, switch.done) == (NOW, NOW + timedelta(seconds=9))
    assert switch.until(Watch(window=60)) == NOW + timedelta(seconds=69)
    assert switch_of([Row(name="pull")]) is None
    cut = switch_of([Row()])
    assert cut is not None
    assert cut.done == NOW


@pytest.mark.parametrize("status", list(Status))
def test_a_newer_promotion_that_changes_something_ends_the_watch(status: Status) -> None:
    changed = {Status.RUNNING, Status.RESTORING, Status.SUCCEEDED, Status.RESTORED, Status.BROKEN}
    assert bool(overtaken(7, [Row(id=8, status=status), Row(id=7)])) is (status in changed)
    assert overtaken(7, [Row(id=7), Row(id=6, status=status)]) == ""


def test_told_lines_are_bounded() -> None:
    lines = told([error(f"e{n}") for n in range(25)])
    assert len(lines) == 11
    assert lines[0] == "web (once): 06:00 e0"
    assert lines[-1] == "… and 15 more kinds"


ERRORS = st.lists(
    st.builds(
        error,
        st.sampled_from(["a", "b", "c"]),
        st.integers(1, 50),
        service=st.sampled_from(["web", "db"]),
        sign=st.sampled_from(["error", "pattern"]),
    ),
    max_size=6,
)


@given(ERRORS, ERRORS)
def test_merging_loses_no_error(one: list[LogError], other: list[LogError]) -> None:
    found = merged([logs(*one), logs(*other, host="b")])
    assert sum(error.count for error in found) == sum(error.count for error in (*one, *other))
    assert len({(error.sign, error.kind) for error in found}) == len(found)


@given(ERRORS, ERRORS)
def test_nothing_is_new_that_was_there(before: list[LogError], after: list[LogError]) -> None:
    found = new_errors(before, after, ())
    assert new_errors([*before, *found], after, ()) == []
    assert all(one in after for one in found)


@given(ERRORS, st.integers(1, 600))
def test_what_was_before_as_often_stays_green(errors: list[LogError], seconds: int) -> None:
    """The same errors in the same time never turn it red, however many they are."""
    plain = [one for one in errors if one.sign == "error"]
    assert judge(Watch(), [logs(*plain, seconds=seconds)], [look(*plain, seconds=seconds)], ()) == ()
