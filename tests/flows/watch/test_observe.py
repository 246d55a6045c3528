"""The looks of a watch at a server in memory, with a real ledger and a real Prefect server."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from blocks.values.watch import ContainerMark, LogError, LogSummary, WatchEnd
from flows.domain.watch.watch import WATCH
from flows.runs.conduct import lease_held
from flows.watch import start as beginning
from flows.watch.observe import Observation, look_on, summaries_before
from flows.watch.start import begin_reading, begin_watch, end_reading
from tasks.kernel.errors import TransientError
from tasks.ledger.records import PromotionRecord
from tasks.steps.run import Journal
from tasks.watch import read as watching
from tasks.watch.read import read_raw_logs
from tests.fakes.host import FakeHost
from tests.flows.domain.samples import manifest
from tests.flows.watch.world import World, host_with, in_flow, now
from tests.samples.runs import APP
from tests.tasks.ledger.samples import make_release

pytestmark = pytest.mark.timeout(900)

BEFORE = LogSummary(host="prod", seconds=60, containers=(ContainerMark(id="old", service="web"),))


def looked(
    world: World, host: FakeHost, row: PromotionRecord | None = None, window: str = "1s"
) -> Observation:
    """Watch a promotion, by default one whose window is over: one look is left."""
    row = row or world.succeeded()
    policy = world.policy(window)
    rules, run = policy.watch, world.run(row, policy, host)
    assert rules is not None
    world.finished(row, "sum up logs", BEFORE, "prod")
    assert summaries_before(run) == (BEFORE,)
    return in_flow(lambda: look_on(run, row, make_release("v2"), rules, world.switch(row)))


def test_a_release_that_is_well_until_the_end_is_green(world: World) -> None:
    host = host_with("INFO ready")
    seen = looked(world, host, world.succeeded(ago=timedelta(0)), "3s")
    assert seen.end.verdict == "green", seen
    assert len(host.argvs("sluice-logs")) >= 2
    assert seen.before == (BEFORE,)
    assert seen.looks[0].logs.lines == 1


def test_a_watch_that_comes_late_looks_once(world: World) -> None:
    host = host_with("INFO ready")
    assert looked(world, host).end.verdict == "green"
    assert len(host.argvs("sluice-logs")) == 1


def test_errors_and_restarts_turn_it_red(world: World) -> None:
    end = looked(world, host_with("ERROR it broke", RestartCount=2)).end
    assert end.verdict == "red"
    assert [one.what for one in end.findings] == [
        "services were restarted: web 2 times (0 allowed)",
        "1 error that was not there before the switch",
    ]
    assert end.findings[1].lines == ("web (once): ERROR it broke",)
    assert end.errors[0].text == "ERROR it broke"


def test_of_a_container_that_was_kept_only_what_came_after_the_switch_counts(world: World) -> None:
    new, kept = host_with("INFO ready"), host_with("INFO ready", Id="old")
    looked(world, new)
    looked(world, kept, world.succeeded("v3"))
    ((_, since), (_, since_kept)) = (one.argvs("sluice-logs")[0][7:9] for one in (new, kept))
    assert int(since) > int(since_kept)


def test_what_a_green_watch_saw_is_known_to_the_next(world: World) -> None:
    first = looked(world, host_with("ERROR it broke 7"), world.succeeded("v3"))
    assert first.end.verdict == "red"
    old = world.succeeded("v4", ago=timedelta(minutes=30))
    world.finished(old, WATCH, WatchEnd(verdict="green", text="well", errors=first.end.errors))
    assert looked(world, host_with("ERROR it broke 8"), world.succeeded("v5")).end.verdict == "green"


def test_a_service_that_ended_turns_it_red(world: World) -> None:
    host = host_with("INFO bye", State={"Status": "exited", "ExitCode": 3})
    brought = manifest(release=make_release("v2"), services=("web",), bundle_checksum="0")
    host.files[f"{APP}/current/sluice.manifest.json"] = brought.to_json().encode()
    (finding,) = looked(world, host).end.findings
    assert finding.what == "on prod web ended with status 3"


@pytest.mark.parametrize(
    "state",
    [
        {"Status": "restarting", "ExitCode": 0},
        {"Status": "running", "ExitCode": 0, "Health": {"Status": "starting"}},
    ],
)
def test_what_starts_has_its_time(world: World, state: dict[str, Any]) -> None:
    assert looked(world, host_with("INFO hello", State=state)).end.verdict == "green"


def test_a_host_that_does_not_answer_is_no_verdict(world: World) -> None:
    host = FakeHost()
    host.answer("sluice-containers", exit_code=1, stderr="Cannot connect to the Docker daemon")
    end = looked(world, host).end
    assert end.verdict == "blind"
    assert "the Docker engine of prod does not answer" in end.text


def test_another_release_ends_it(world: World) -> None:
    row = world.succeeded()
    newer = world.succeeded("v3", ago=timedelta(seconds=1))
    host = host_with()
    seen = looked(world, host, row, "10m")
    assert (seen.end.verdict, seen.looks) == ("over", ())
    assert seen.end.text == f"promotion {newer.id} is succeeded: nothing is left to watch"
    assert host.argvs("sluice-logs") == []


def test_logs_before_the_switch_are_read_under_the_lease_and_never_after_it(world: World) -> None:
    row, host = world.opened(), host_with("ERROR it broke")
    run = world.run(row, world.policy("1m"), host)
    in_flow(lambda: end_reading(run, begin_reading(run)))
    (argv,) = host.argvs("sluice-logs")
    assert argv[7:] == ("new", "61", "2026-11-26T06:01:00Z")
    assert summaries_before(run) == ()
    assert "ERROR it broke" in run.raw_logs["prod"].text
    world.ledger.steps.start(row.id, "up", now=now())
    assert in_flow(lambda: begin_reading(run)) == []
    assert begin_reading(world.run(world.opened(), world.policy(watched=False), host)) == []


def test_they_are_summed_up_when_the_lease_was_given_back_and_before_the_watch_begins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, host = world.succeeded(), host_with("ERROR it broke")
    run, events = world.run(row, world.policy("1m"), host), list[str]()

    def found(*_: object) -> tuple[LogError, ...]:
        events.append("summed up")
        return ()

    monkeypatch.setattr(watching, "find_errors", found)
    monkeypatch.setattr(beginning, "start_watch", lambda *_args, **_kwargs: events.append("watch"))

    def promote() -> None:
        with lease_held(run):
            # The journal has a switch, which is what the reading comes before.
            monkeypatch.setattr(Journal, "begun", lambda *_: False)
            end_reading(run, begin_reading(run))
            assert events == []
        events.append("lease given back")
        begin_watch(run, row, "default")

    in_flow(promote)
    assert events == ["lease given back", "summed up", "watch"]
    assert run.raw_logs == {}
    (kept,) = summaries_before(run)
    assert [mark.id for mark in kept.containers] == ["new"]


@pytest.mark.parametrize("wrong", ["no json", "away", "slow"])
def test_logs_that_cannot_be_read_stop_no_promotion(world: World, wrong: str) -> None:
    host = FakeHost() if wrong != "slow" else host_with()
    error = TransientError("the connection was lost", "try again") if wrong != "no json" else None
    host.answer("sluice-logs" if wrong == "slow" else "sluice-containers", stdout=wrong, error=error)
    row = world.succeeded()
    run = world.run(row, world.policy(), host)
    raw = in_flow(
        lambda: [one.result() for one in [read_raw_logs.submit(run, host="prod", seconds=9, wanted=True)]]
    )
    run.raw_logs["prod"] = raw[0]
    in_flow(lambda: begin_watch(run, row, "default"))
    (found,) = summaries_before(run)
    assert (found.seconds, len(found.notes)) == (0, 1)


def test_a_log_that_breaks_the_reader_stops_no_promotion_and_is_not_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("hostile")

    monkeypatch.setattr(watching, "find_errors", broken)
    row, host = world.succeeded(), host_with("ERROR it broke")
    run = world.run(row, world.policy(), host)
    monkeypatch.setattr(Journal, "begun", lambda *_: False)
    in_flow(lambda: end_reading(run, begin_reading(run)))
    in_flow(lambda: begin_watch(run, row, "default"))
    assert summaries_before(run)[0].notes == ("ValueError: hostile",)
    end = looked(world, host).end
    assert end.verdict == "blind"
    assert "the logs of prod cannot be summarised: ValueError: hostile" in end.text


def test_where_not_all_is_known_it_is_not_green(world: World) -> None:
    long = host_with("INFO " + "x" * 20_000)
    end = looked(world, long).end
    assert end.verdict == "unclear"
    assert "as far as is known" in end.text
    assert "web's log has lines of more than 16384 characters, which were cut: 1" in end.text
    row = world.succeeded("v8")
    policy = world.policy("1s")
    rules, run = policy.watch, world.run(row, policy, host_with("INFO ready"))
    assert rules is not None
    end = in_flow(lambda: look_on(run, row, make_release("v8"), rules, world.switch(row))).end
    assert end.verdict == "unclear"
    assert "what ran on prod before the switch, and what it logged, is not known" in end.text
    # Restarts are counted from what ran before, also where no logs are read.
    silent = rules.model_copy(update={"logs": None})
    end = in_flow(lambda: look_on(run, row, make_release("v8"), silent, world.switch(row))).end
    assert end.verdict == "unclear"


def test_a_log_that_the_engine_does_not_give_is_noted(world: World) -> None:
    host = FakeHost()
    host.answer("sluice-containers", stdout=json.dumps([{"Id": "x", "Config": {"Labels": {}}, "State": {}}]))
    host.answer("sluice-logs", stdout="")
    end = looked(world, host)
    assert end.looks[0].logs.notes == ("the log of  cannot be read: it is gone",)
