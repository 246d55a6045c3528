"""Promotions whose flow run ended without them: a real Prefect server, a real ledger, no host."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow, get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Crashed, Failed, Running, Scheduled, Suspended

from blocks.pipeline import Policy, load_pipeline
from blocks.values.asked import AskedFor, RepositoryFacts
from blocks.values.lifecycle import Kind, Status
from blocks.values.receipts import StepReceipt
from flows.domain.drift import reconcile as decisions
from flows.domain.drift.reconcile import Act
from flows.drift import end_abandoned_runs as ending
from flows.drift.end_abandoned_runs import RETRIED, end_what_died, give_back_lease
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tasks.steps.flow_runs import read_flow_run, sign_seconds
from tests.tasks.ledger.samples import make_release

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("prefect_server")]

PIPELINE = """
pipeline: shop
registry: main
environments:
  prod:
    hosts: [prod]
    tags: ["*"]
    approvals: {required: 1, approvers: [ana], expires: 1h}
"""
WAYS = {
    Status.PLANNING: (),
    Status.WAITING: (Status.WAITING,),
    Status.APPROVED: (Status.APPROVED,),
    Status.RUNNING: (Status.APPROVED, Status.RUNNING),
    Status.RESTORING: (Status.APPROVED, Status.RUNNING, Status.RESTORING),
}


@flow(name="stand-in")
def stand_in() -> None:
    """A flow whose runs the tests put into the states they need."""


@pytest.fixture
def policy() -> Policy:
    return load_pipeline(PIPELINE, "pipeline.yaml").policy("prod")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run is given a minute: the server says itself since when a run has its state."""
    monkeypatch.setattr(decisions, "GRACE", timedelta(0))


def run_in(state: State[Any], *, deployed: bool = True) -> str:
    """Create a flow run in a state."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(stand_in, state=Scheduled())
        client.set_flow_run_state(run.id, state, force=True)
        if deployed:
            identifier = client.create_deployment(client.create_flow(stand_in), name="stand-in")
            run = client.create_flow_run_from_deployment(identifier, state=Scheduled())
            client.set_flow_run_state(run.id, state, force=True)
    return str(run.id)


def opened(
    ledger: Ledger, key: str, status: Status, *, ago: timedelta = timedelta(minutes=10)
) -> PromotionRecord:
    """Open a promotion some time ago and bring it to a status."""
    at = datetime.now(UTC) - ago
    row = ledger.promotions.open(
        pipeline="shop",
        environment="prod",
        kind=Kind.PROMOTE,
        ref="v1",
        flow_run_id=key,
        requested_by="cleo",
        cause="",
        now=at,
    )
    ledger.promotions.set_release(row.id, ledger.releases.record(make_release("v1")).id, at)
    for following in WAYS[status]:
        row = ledger.promotions.move(row.id, following, now=at)
    return row


def state_of(key: str) -> str:
    fact = read_flow_run(key)
    assert fact is not None
    return fact.name


def looked(ledger: Ledger, policy: Policy, row: PromotionRecord) -> tuple[list[Act], Status]:
    done = [one.decision.act for one in end_what_died(ledger, policy, {}, {})]
    now = ledger.promotions.get(row.id)
    assert now is not None
    return done, now.status


def test_a_waiting_promotion_is_closed_when_its_time_is_over_and_its_run_cancelled(
    ledger: Ledger, policy: Policy
) -> None:
    key = run_in(Suspended(timeout_seconds=7200))
    early = opened(ledger, key, Status.WAITING, ago=timedelta(minutes=59))
    assert looked(ledger, policy, early) == ([], Status.WAITING)
    other = run_in(Suspended(timeout_seconds=7200))
    late = opened(ledger, other, Status.WAITING, ago=timedelta(minutes=61))
    assert looked(ledger, policy, late) == ([Act.END], Status.EXPIRED)
    assert (state_of(other), state_of(key)) == ("Cancelled", "Suspended")
    ended = ledger.promotions.get(late.id)
    assert ended is not None
    assert ended.message == "the approvals did not come in time"
    assert looked(ledger, policy, late) == ([], Status.EXPIRED)


@pytest.mark.parametrize("status", [Status.PLANNING, Status.WAITING, Status.APPROVED])
@pytest.mark.parametrize("state", [Crashed, Failed, Cancelled])
def test_a_run_that_ended_before_it_touched_anything(
    ledger: Ledger, policy: Policy, status: Status, state: Any
) -> None:
    row = opened(ledger, f"{run_in(state())}#2", status)
    assert looked(ledger, policy, row) == ([Act.END], Status.ABANDONED)


@pytest.mark.parametrize("state", [Scheduled, Running, Crashed])
def test_what_lives_or_died_this_moment_is_left(
    ledger: Ledger, policy: Policy, state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "GRACE", timedelta(minutes=10))
    row = opened(ledger, run_in(state()), Status.PLANNING)
    assert looked(ledger, policy, row) == ([], Status.PLANNING)


def test_a_run_that_nobody_knows_is_left_for_a_day(ledger: Ledger, policy: Policy) -> None:
    row = opened(ledger, str(uuid4()), Status.PLANNING)
    assert looked(ledger, policy, row) == ([], Status.PLANNING)
    old = opened(ledger, "of another time", Status.PLANNING, ago=timedelta(days=2))
    assert looked(ledger, policy, old) == ([Act.END], Status.ABANDONED)


def test_a_run_cut_in_the_middle_of_the_switch_is_started_again_once(ledger: Ledger, policy: Policy) -> None:
    key = run_in(Crashed())
    row = opened(ledger, key, Status.RUNNING)
    ledger.steps.start(row.id, "up", "prod", now=datetime.now(UTC))
    lease = ledger.leases.acquire("shop", "prod", row.id, 60, datetime.now(UTC))
    assert looked(ledger, policy, row) == ([], Status.RUNNING)
    ledger.leases.release(lease, datetime.now(UTC))
    assert looked(ledger, policy, row) == ([Act.RETRY], Status.RUNNING)
    assert state_of(key) == "AwaitingRetry"
    step = ledger.steps.get(row.id, RETRIED)
    assert step is not None
    assert step.status == "finished"
    # It is scheduled now: alive.
    assert looked(ledger, policy, row) == ([], Status.RUNNING)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(key), Crashed(), force=True)
    assert looked(ledger, policy, row) == ([Act.CALL], Status.RUNNING)
    assert state_of(key) == "Crashed"


def test_a_restart_that_was_cut_itself_is_done_again(ledger: Ledger, policy: Policy) -> None:
    key = run_in(Crashed())
    row = opened(ledger, key, Status.RESTORING)
    ledger.steps.start(row.id, RETRIED, now=datetime.now(UTC))
    assert looked(ledger, policy, row) == ([Act.RETRY], Status.RESTORING)
    assert state_of(key) == "AwaitingRetry"


def test_what_no_worker_can_start_again_needs_a_person(ledger: Ledger, policy: Policy) -> None:
    row = opened(ledger, run_in(Crashed(), deployed=False), Status.RESTORING)
    assert looked(ledger, policy, row) == ([Act.CALL], Status.RESTORING)


def test_before_the_switch_nothing_is_said_while_a_host_cannot_be_asked(
    ledger: Ledger, policy: Policy
) -> None:
    row = opened(ledger, run_in(Crashed()), Status.RUNNING)
    assert end_what_died(ledger, policy, {}, {"prod": "does not answer"}) == ()
    assert looked(ledger, policy, row) == ([Act.END], Status.FAILED)


def test_a_rollback_without_the_ledger_took_over(ledger: Ledger, policy: Policy) -> None:
    row = opened(ledger, run_in(Crashed()), Status.RUNNING)
    ledger.steps.start(row.id, "up", "prod", now=datetime.now(UTC))
    now = datetime.now(UTC)
    ledger.promotions.record_past(
        pipeline="shop",
        environment="prod",
        kind=Kind.ROLLBACK,
        release_id=ledger.releases.record(make_release("v0")).id,
        previous_release_id=None,
        key="offline/shop/prod/20261125T031500Z",
        requested_by="ada@laptop",
        cause="",
        status=Status.SUCCEEDED,
        message="runs again",
        started_at=now - timedelta(seconds=5),
        ended_at=now,
        now=now,
    )
    assert looked(ledger, policy, row) == ([Act.END], Status.ABANDONED)
    ended = ledger.promotions.get(row.id)
    assert ended is not None
    assert ended.message == "its run crashed; ada@laptop rolled back without the ledger and took over"


def heard(key: str, ago: timedelta) -> None:
    """Have a run give a sign of life, as its process does."""
    event = {
        "event": "prefect.flow-run.heartbeat",
        "occurred": (datetime.now(UTC) - ago).isoformat(),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{key}"},
        "id": str(uuid4()),
        "related": [],
        "payload": {},
    }
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[event]).raise_for_status()
    deadline = time.monotonic() + 120
    while True:
        fact = read_flow_run(key)
        if fact is not None and fact.last_sign is not None:
            return
        assert time.monotonic() < deadline, "the server does not keep signs of life"
        time.sleep(0.5)


def test_a_run_that_fell_silent_is_ended_first(
    ledger: Ledger, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sign_seconds() is None or sign_seconds() == 30
    monkeypatch.setattr(ending, "sign_seconds", lambda: 0.001)
    key = run_in(Running())
    row = opened(ledger, key, Status.RUNNING)
    ledger.steps.start(row.id, "up", "prod", now=datetime.now(UTC))
    assert looked(ledger, policy, row) == ([], Status.RUNNING)
    heard(key, timedelta(minutes=5))
    assert looked(ledger, policy, row) == ([Act.RETRY], Status.RUNNING)
    assert state_of(key) == "AwaitingRetry"


def test_a_lease_is_given_back_only_when_it_ran_out_and_its_promotion_ended(
    ledger: Ledger, policy: Policy
) -> None:
    now = datetime.now(UTC)
    row = opened(ledger, run_in(Crashed()), Status.RUNNING)
    assert give_back_lease(ledger, policy) == ""
    ledger.leases.acquire("shop", "prod", row.id, 1, now - timedelta(minutes=5))
    assert give_back_lease(ledger, policy) == ""
    ledger.promotions.move(row.id, Status.FAILED, now=now)
    held = ledger.leases.acquire("shop", "prod", row.id, 60, now)
    assert give_back_lease(ledger, policy) == ""
    ledger.leases.renew(held, -1, now)
    assert give_back_lease(ledger, policy) == f"the lease of promotion {row.id}, which ended, was released"
    assert give_back_lease(ledger, policy) == ""


def test_the_journal_of_a_restart_does_not_look_like_a_failure(ledger: Ledger) -> None:
    from flows.domain.promotion.recovery import Action, next_action

    row = opened(ledger, "f-1", Status.RUNNING)
    ledger.steps.start(row.id, "up", "prod", now=datetime.now(UTC))
    ledger.steps.start(row.id, RETRIED, now=datetime.now(UTC))
    assert next_action(Status.RUNNING, ledger.steps.of(row.id)) is Action.CONTINUE
    ledger.steps.finish(row.id, RETRIED, receipt=StepReceipt(text="again"), now=datetime.now(UTC))
    assert next_action(Status.RUNNING, ledger.steps.of(row.id)) is Action.CONTINUE


def test_a_promotion_of_another_repository_is_left_alone(ledger: Ledger, policy: Policy) -> None:
    mine = RepositoryFacts(url="/shop.git", default_branch="main", pipeline_path="pipeline.yaml")
    row = ledger.promotions.open(
        pipeline="shop",
        environment="prod",
        kind=Kind.PROMOTE,
        ref="v1",
        flow_run_id=run_in(Failed()),
        requested_by="cleo",
        cause="",
        now=datetime.now(UTC) - timedelta(minutes=10),
        asked=AskedFor(
            parameters={"source": "other"}, repository=mine.model_copy(update={"url": "/other.git"})
        ),
    )
    assert end_what_died(ledger, policy, {}, {}, mine) == ()
    assert ledger.promotions.get(row.id) == row
    (judged,) = end_what_died(ledger, policy, {}, {}, mine.model_copy(update={"url": "/other.git"}))
    assert judged.row.status is Status.ABANDONED
