"""A ledger with promotions that switched something, for the tests of the watch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from prefect import flow, get_client
from prefect.client.schemas.objects import State

from blocks.pipeline import Pipeline, Policy, load_pipeline
from blocks.values.base import Value
from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import Plan
from blocks.values.receipts import UpReceipt
from flows.domain.watch.watch import Switch, switch_of
from tasks.kernel.protocols import Call, Result
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tasks.steps.flow_runs import read_flow_run
from tasks.steps.run import Run
from tests.fakes.host import FakeHost
from tests.samples.runs import run_of
from tests.tasks.ledger.samples import make_release

T = TypeVar("T")

PIPELINE = """
pipeline: {name}
notify: team
{watch}
environments:
  prod: {{hosts: prod, tags: "*"}}
  other: {{hosts: prod, tags: "*"}}
"""
CONTAINER = {
    "Id": "new",
    "Created": "2026-11-26T06:00:00Z",
    "RestartCount": 0,
    "Config": {"Image": "i", "Labels": {"com.docker.compose.service": "web"}},
    "State": {"Status": "running", "StartedAt": "2026-11-26T06:00:00Z", "ExitCode": 0},
}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class World:
    """A ledger and a pipeline of a name nobody else has: runs on the shared server are told apart by it.

    Attributes:
        ledger: The ledger.
        name: The pipeline's name.
    """

    ledger: Ledger
    name: str = field(default_factory=lambda: f"shop-{uuid4().hex[:8]}")

    def pipeline(self, window: str = "10m", *, rolls_back: bool = True, watched: bool = True) -> Pipeline:
        rules = f"watch: {{window: {window}, every: 1s, rollback: {str(rolls_back).lower()}}}"
        return load_pipeline(PIPELINE.format(name=self.name, watch=rules if watched else ""), "pipeline.yaml")

    def policy(
        self, window: str = "10m", *, rolls_back: bool = True, watched: bool = True, environment: str = "prod"
    ) -> Policy:
        return self.pipeline(window, rolls_back=rolls_back, watched=watched).policy(environment)

    def opened(
        self, kind: Kind = Kind.PROMOTE, environment: str = "prod", at: datetime | None = None
    ) -> PromotionRecord:
        return self.ledger.promotions.open(
            pipeline=self.name,
            environment=environment,
            kind=kind,
            ref="v",
            flow_run_id=str(uuid4()),
            requested_by="cleo",
            cause="",
            now=at or now(),
        )

    def succeeded(
        self,
        release: str = "v2",
        *,
        before: str | None = "v1",
        kind: Kind = Kind.PROMOTE,
        environment: str = "prod",
        ago: timedelta = timedelta(seconds=30),
    ) -> PromotionRecord:
        """Record a promotion that switched its host some time ago."""
        at, ledger = now() - ago, self.ledger
        row = self.opened(kind, environment, at)
        made = {name: ledger.releases.record(make_release(name)) for name in (release, before or release)}
        ledger.promotions.set_release(row.id, made[release].id, at)
        plan = Plan(
            pipeline=self.name,
            environment=environment,
            release_id=made[release].id,
            running_release_id=None,
            commit=made[release].commit,
            images=made[release].images,
            approvals_required=0,
            approvers=(),
        )
        previous = made[before].id if before else None
        ledger.promotions.set_plan(row.id, plan=plan, previous_release_id=previous, now=at)
        for status in (Status.APPROVED, Status.RUNNING):
            ledger.promotions.move(row.id, status, now=at)
        self.finished(row, "up", UpReceipt(host="prod", services=("web",), seconds=1), "prod", at=at)
        return ledger.promotions.move(row.id, Status.SUCCEEDED, now=at)

    def finished(
        self, row: PromotionRecord, name: str, receipt: Value, host: str = "", *, at: datetime | None = None
    ) -> None:
        """Write a finished step into a promotion's journal."""
        self.ledger.steps.start(row.id, name, host, now=at or now())
        self.ledger.steps.finish(row.id, name, host, receipt=receipt, now=at or now())

    def switch(self, row: PromotionRecord) -> Switch:
        found = switch_of(self.ledger.steps.of(row.id))
        assert found is not None
        return found

    def run(self, row: PromotionRecord, policy: Policy, host: FakeHost) -> Run:
        """Return the live side of a watch on a server in memory."""
        known = {"hosts": {"prod": host}, "ledger": self.ledger, "promotion_id": row.id}
        return run_of(self.pipeline(), policy=policy, **known)


def host_with(*lines: str, **changes: Any) -> FakeHost:
    """Return a server on which one container of `web` runs and logged some lines."""
    host = FakeHost()
    host.answer("sluice-containers", stdout=json.dumps([CONTAINER | changes]))

    def logs(call: Call) -> Result:
        mark, container = call.argv[4], call.argv[7]
        said = "".join(f"2026-11-26T06:00:0{number}.0Z {line}\n" for number, line in enumerate(lines))
        text = f"{mark} now 1764137600\n{mark} log {container}\n{said}{mark} end 0\n"
        return Result(call.argv, 0, text, "", 0.0)

    host.answer("sluice-logs", effect=logs)
    return host


def in_flow(act: Callable[[], T]) -> T:
    """Do something within a flow run, which steps that go on beside others need."""

    @flow(name="around")
    def around() -> T:
        return act()

    return around()


def runs_of(deployment: str, **parameters: object) -> list[str]:
    """Return the ids of a deployment's runs that have these parameters."""
    with get_client(sync_client=True) as client:
        identifier = str(client.read_deployment_by_name(deployment).id)
        wanted = {"deployments": {"id": {"any_": [identifier]}}, "limit": 200}
        found = client.request("POST", "/flow_runs/filter", json=wanted).json()
    return [str(one["id"]) for one in found if parameters.items() <= one["parameters"].items()]


def parameters_of(key: str) -> dict[str, Any]:
    with get_client(sync_client=True) as client:
        return dict(client.read_flow_run(UUID(key)).parameters)


def set_state(key: str, state: State[Any]) -> None:
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(key), state, force=True)


def state_name(key: str) -> str:
    fact = read_flow_run(key)
    assert fact is not None
    return fact.name
