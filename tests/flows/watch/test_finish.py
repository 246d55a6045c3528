"""What a watch does about a release, and what becomes of a watch that died: a real Prefect server, a real ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.states import Cancelled, Crashed, Failed, Running

from blocks.pipeline import Policy
from blocks.values.lifecycle import Kind, Status
from blocks.values.watch import WatchEnd, WatchFinding, WatchStart
from flows.domain.watch.watch import LONGEST_LATE, START, TOLD, WATCH
from flows.drift import restart_watches as watches
from flows.drift.restart_watches import AGAIN, continue_watch
from flows.watch.finish import act
from flows.watch.flow import refuse_other
from flows.watch.start import begin_watch
from tasks.kernel.errors import RefusedError
from tasks.ledger.records import PromotionRecord
from tasks.steps import notify
from tasks.steps.flow_runs import start_flow_run, wait_here
from tests.fakes.host import FakeHost
from tests.fakes.notifier import FakeNotifier
from tests.flows.watch.world import World, in_flow, now, parameters_of, runs_of, set_state, state_name

pytestmark = pytest.mark.timeout(900)

RED = WatchEnd(
    verdict="red",
    text="1 error that was not there before the switch",
    findings=(WatchFinding(what="1 error", lines=("web (once): ERROR it broke",)),),
)


@pytest.fixture(autouse=True)
def channel(monkeypatch: pytest.MonkeyPatch) -> FakeNotifier:
    kept = FakeNotifier()
    monkeypatch.setattr(notify, "read_channel", lambda _name: kept)
    return kept


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run is given a minute."""
    monkeypatch.setattr(watches, "GRACE", timedelta(0))


def acted(
    world: World, row: PromotionRecord, rules: Policy, end: WatchEnd = RED, late: timedelta = timedelta(0)
) -> tuple[str, ...]:
    world.finished(row, WATCH, end)
    return act(world.ledger, rules, row, end, until=now() - late, source="default", run="r")


def test_red_holds_the_release_tells_people_and_starts_the_rollback_once(
    world: World, channel: FakeNotifier
) -> None:
    row = world.succeeded()
    then = acted(world, row, world.policy())
    assert then[0] == f"{row.release_id} is on hold: `sluice unhold prod --reason …` removes the hold"
    assert then[1].startswith(
        "rollback/prod was started: it rolls back where that loses nothing, refuses or asks"
    )
    (hold,) = world.ledger.holds.active(world.name, "prod")
    assert (hold.release_id, hold.created_by) == (row.release_id, "watch")
    assert hold.reason == f"the watch of promotion {row.id} is red: 1 error (web (once): ERROR it broke)"
    (run,) = runs_of("rollback/prod", leaving=row.release_id)
    parameters = parameters_of(run)
    assert (parameters["reason"], parameters["requested_by"]) == (hold.reason, "watch")
    (sent,) = channel.sent
    assert "- web (once): ERROR it broke" in sent.text
    assert then[0] in sent.text
    assert "rollback/prod was started" in sent.text
    assert (sent.data["kind"], sent.data["status"]) == ("watch", "red")
    told = world.ledger.steps.get(row.id, TOLD)
    assert told is not None
    assert told.status == "finished"
    acted(world, row, world.policy())
    assert len(world.ledger.holds.active(world.name, "prod")) == 1
    assert runs_of("rollback/prod", leaving=row.release_id) == [run]
    assert {one.key for one in channel.sent} == {sent.key}


@pytest.mark.parametrize(
    ("before", "rules", "late", "said"),
    [
        (
            "v1",
            {"rolls_back": False},
            timedelta(0),
            "it still runs; `prefect deployment run rollback/prod` goes back",
        ),
        (None, {}, timedelta(0), "it still runs: nothing ran before, so there is nothing to go back to"),
        ("v1", {}, 2 * LONGEST_LATE, "it still runs: this look came too late for an automatic rollback"),
        (
            "v1",
            {"environment": "other"},
            timedelta(0),
            "it still runs: the rollback could not be started",
        ),
    ],
)
def test_why_nothing_is_rolled_back_is_said(
    world: World, before: str | None, rules: dict[str, Any], late: timedelta, said: str
) -> None:
    name = rules.get("environment", "prod")
    row = world.succeeded("v9", before=before, environment=name)
    then = acted(world, row, world.policy(**rules), late=late)
    assert then[1].startswith(said)
    assert len(world.ledger.holds.active(world.name, name)) == 1
    assert runs_of("rollback/prod", leaving=row.release_id) == []


def test_blind_is_told_and_nothing_is_held(world: World, channel: FakeNotifier) -> None:
    end = WatchEnd(verdict="blind", text="prod does not answer — look at it")
    then = acted(world, world.succeeded(), world.policy(), end)
    assert then == ("look yourself: prod does not answer — look at it",)
    assert "Watch is blind: " in channel.sent[0].text
    assert world.ledger.holds.active(world.name, "prod") == []


def test_a_promotion_that_succeeded_starts_its_watch_once(world: World) -> None:
    row = world.succeeded()
    run = world.run(row, world.policy(), FakeHost())
    in_flow(lambda: begin_watch(run, row, "default"))
    in_flow(lambda: begin_watch(run, row, "default"))
    step = world.ledger.steps.get(row.id, START)
    assert step is not None
    assert step.receipt is not None
    started = WatchStart.from_json(step.receipt)
    assert parameters_of(started.flow_run) == {
        "environment": "prod",
        "promotion": row.id,
        "source": "default",
    }
    assert started.until == world.switch(row).done + timedelta(minutes=10)


def test_what_is_not_watched_starts_nothing(world: World) -> None:
    back = world.succeeded(kind=Kind.ROLLBACK)
    begin_watch(world.run(back, world.policy(), FakeHost()), back, "default")
    assert world.ledger.steps.get(back.id, START) is None
    row = world.succeeded("v3")
    failed = row.model_copy(update={"status": Status.RESTORED})
    begin_watch(world.run(row, world.policy(), FakeHost()), failed, "default")
    begin_watch(world.run(row, world.policy(watched=False), FakeHost()), row, "default")
    assert world.ledger.steps.get(row.id, START) is None


def test_a_waiting_watch_watches_what_it_was_started_for(world: World) -> None:
    row = world.succeeded()
    other = row.model_copy(update={"id": row.id + 1})
    watching = world.run(row, world.policy(), FakeHost())
    in_flow(lambda: begin_watch(watching, row, "default"))
    run = watch_of(world, row)
    refuse_other(row, run)
    with pytest.raises(
        RefusedError, match=f"started to watch promotion {row.id} .* changed to another one: {other.id}"
    ):
        refuse_other(other, run)
    # A person may have any of them watched.
    refuse_other(other, start_flow_run("watch/all", {"promotion": row.id}, f"by hand {row.pipeline}"))


def watch_of(world: World, row: PromotionRecord) -> str:
    """Return the id of the run that watches a promotion."""
    with get_client(sync_client=True) as client:
        runs = [client.read_flow_run(UUID(key)) for key in runs_of("watch/all", promotion=row.id)]
    (found,) = [run for run in runs if run.idempotency_key == f"watch/{world.name}/prod/{row.id}"]
    return str(found.id)


def continued(world: World, rules: Policy | None = None) -> str:
    return continue_watch(world.ledger, rules or world.policy(), "default")


def test_reconcile_starts_a_watch_that_was_not_and_again_one_that_died(world: World) -> None:
    row = world.succeeded()
    assert continued(world) == ""
    key = watch_of(world, row)
    assert state_name(key) == "Scheduled"
    assert continued(world) == ""
    deaths: tuple[State[Any], ...] = (Crashed(), Failed(), Crashed())
    for state in deaths:
        set_state(key, state)
        assert "its run was started again" in continued(world)
        assert state_name(key) == "AwaitingRetry"
    tries = world.ledger.steps.get(row.id, AGAIN)
    assert tries is not None
    assert tries.attempts == len(deaths)
    set_state(key, Crashed())
    assert continued(world) == ""
    assert state_name(key) == "Crashed"


def test_a_run_that_died_this_moment_is_given_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = world.succeeded()
    continued(world)
    set_state(watch_of(world, row), Crashed())
    monkeypatch.setattr(watches, "GRACE", timedelta(minutes=1))
    assert continued(world) == ""


def test_reconcile_leaves_what_is_not_to_be_watched(world: World) -> None:
    row = world.succeeded()
    continued(world)
    key = watch_of(world, row)
    set_state(key, Cancelled())
    assert continued(world) == ""
    set_state(key, Crashed())
    assert continued(world, world.policy(watched=False)) == ""
    world.finished(row, WATCH, WatchEnd(verdict="green", text="well"))
    assert continued(world) == ""
    assert state_name(key) == "Crashed"


@pytest.mark.parametrize("changes", [{"kind": Kind.ROLLBACK}, {"ago": LONGEST_LATE + timedelta(minutes=11)}])
def test_reconcile_starts_no_watch_of_a_rollback_or_of_long_ago(
    world: World, changes: dict[str, Any]
) -> None:
    row = world.succeeded(**changes)
    assert continued(world) == ""
    with pytest.raises(ValueError, match="unpack"):
        watch_of(world, row)


def test_reconcile_has_a_red_watch_acted_upon_after_the_release_was_left(world: World) -> None:
    row = world.succeeded()
    world.finished(row, WATCH, RED)
    world.succeeded("v1", kind=Kind.ROLLBACK, ago=timedelta(seconds=1))
    continued(world)
    key = watch_of(world, row)
    set_state(key, Crashed())
    assert "its run was started again" in continued(world)
    set_state(key, Crashed())
    acted(world, row, world.policy())
    assert continued(world) == ""


def test_a_longer_wait_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    key = start_flow_run("watch/all", {"environment": "prod"}, "waits")
    assert start_flow_run("watch/all", {"environment": "prod"}, "waits") == key
    set_state(key, Running())
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "d")
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", key)
    wait_here(0.01, "BetweenLooks")
    assert state_name(key) == "Running"
    began = now()
    with pytest.raises(Pause):
        wait_here(60, "BetweenLooks")
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(key)).state
    assert state is not None
    assert (state.type.value, state.name) == ("SCHEDULED", "BetweenLooks")
    when = state.state_details.scheduled_time
    assert when is not None
    assert timedelta(seconds=59) < when - began < timedelta(seconds=90)  # type: ignore[operator]
