"""A pipeline with rules, its repository on the fake GitHub, Prefect's real server and worker, and a channel."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
from prefect.client.schemas.objects import State
from pydantic import SecretStr

from blocks.approver import Approver
from blocks.git_repository import GitRepository
from blocks.github import GitHub
from blocks.settings import Settings
from blocks.webhook_channel import WebhookChannel
from flows.drift.flow import reconcile
from flows.rules.flow import protect
from tasks.kernel.clock import utc_now
from tasks.ledger.connect import open_ledger
from tasks.ledger.models import RELAXATIONS
from tasks.ledger.relaxation_records import RelaxationRecord
from tests.fakes.github import REPOSITORY, TOKEN, FakeGitHub
from tests.lab.control import drain_events, ending_at_once
from tests.lab.plane import LabPlane
from tests.lab.prefect_database import lay_database
from tests.lab.repository import Repository
from tests.tasks.adapters.web import Reply, Web, serve

PIPELINE = """
pipeline: shop
notify: team
protect:
  branches:
    main:
      required_pull_request_reviews: {required_approving_review_count: 2}
      required_status_checks: {checks: test}
      enforce_admins: true
  environments:
    prod: {reviewers: [ana, acme/ops], wait_timer: 5m}
  relax: {approvers: [ana, ben], at_most: 30m}
environments:
  staging: {hosts: staging, branches: main}
"""


@dataclass
class Shop:
    """An application, and what people and Prefect see of its rules."""

    plane: LabPlane
    github: FakeGitHub
    channel: Web
    repository: Repository
    secrets: dict[str, str]

    def write(self, pipeline: str) -> None:
        """Push another pipeline.yaml to the default branch."""
        self.repository.change_pipeline(pipeline)

    def protect(self, **parameters: Any) -> State[Any]:
        return protect(**parameters, return_state=True)

    def reconcile(self) -> State[Any]:
        return reconcile(return_state=True)

    def told(self) -> list[str]:
        """Return what the channel was told, the first line of each message."""
        return [str(json.loads(one.body)["text"]).splitlines()[0] for one in self.channel.asked]

    def rows(self) -> list[RelaxationRecord]:
        """Return every request, oldest first."""
        with open_ledger(Settings()) as ledger, ledger._database.reading() as connection:
            rows = connection.execute(sa.select(RELAXATIONS).order_by(RELAXATIONS.c.id))
            return [RelaxationRecord.of(row) for row in rows]

    def drift(self) -> list[tuple[str, str, str]]:
        with open_ledger(Settings()) as ledger:
            return [(one.kind, one.subject, one.detail) for one in ledger.drift.standing("shop", "GitHub")]

    def let_time_pass(self, number: int) -> None:
        """Have a request's time be over."""
        with open_ledger(Settings()) as ledger, ledger._database.writing() as connection:
            over = {"until": utc_now() - timedelta(seconds=1)}
            connection.execute(sa.update(RELAXATIONS).where(RELAXATIONS.c.id == number).values(over))

    def code(self, name: str) -> str:
        """Return a code that was not used yet: each counts once. A clock that is one period ahead is put up with."""
        step = max(int(time.time()) // 30, int(self.secrets.get(f"{name} step", "0")) + 1)
        while step > int(time.time()) // 30 + 1:
            time.sleep(1)
        self.secrets[f"{name} step"] = str(step)
        return pyotp.TOTP(self.secrets[name]).generate_otp(step)

    def changes(self) -> list[tuple[str, str]]:
        """Return the requests that would change something on GitHub."""
        return [one for one in self.github.asked if one[0] != "GET"]


@pytest.fixture(scope="package")
def channel() -> Iterator[Web]:
    with serve(lambda _: Reply()) as web:
        yield web


@pytest.fixture(scope="package")
def plane(
    tmp_path_factory: pytest.TempPathFactory, github_server: FakeGitHub, channel: Web
) -> Iterator[tuple[LabPlane, dict[str, str]]]:
    """Prefect's server and a worker, as `sluice up` starts them, with the blocks a team fills in."""
    home = tmp_path_factory.mktemp("home")
    lay_database(home)
    with LabPlane(home) as plane:
        plane.api.pause_schedules("reconcile/all")
        plane.activate()
        GitHub(repository=REPOSITORY, token=SecretStr(TOKEN), base_url=github_server.base).save("shop")
        WebhookChannel(url=SecretStr(f"{channel.url}/hook")).save("team")
        secrets = {name: pyotp.random_base32() for name in ("ana", "ben")}
        for name, secret in secrets.items():
            Approver(person=name, totp_secret=SecretStr(secret), identities=[name]).save(name)
        with ending_at_once():
            yield plane, secrets
        drain_events()


@pytest.fixture
def shop(
    plane: tuple[LabPlane, dict[str, str]], github: FakeGitHub, channel: Web, tmp_path: Path
) -> Iterator[Shop]:
    github.branches["main"] = None
    github.ruling.open_team("ops")
    github.ruling.reporters["test"] = 15368
    channel.asked.clear()
    repository = Repository.with_pipeline(tmp_path / "shop", PIPELINE)
    GitRepository(url=str(repository.path), github="shop").save("default", overwrite=True)
    yield Shop(plane[0], github, channel, repository, plane[1])
    with open_ledger(Settings()) as ledger, ledger._database.writing() as connection:
        for table in ("approvals", "relaxations", "drift"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
