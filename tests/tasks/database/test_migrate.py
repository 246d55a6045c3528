"""Migrations of a release on a server in memory: what is known of it, and what an earlier try left there."""

from __future__ import annotations

import pytest

from blocks.pipeline import load_pipeline
from blocks.values.facts import HostFacts
from blocks.values.lifecycle import Status
from tasks.database.migrate import migrate
from tasks.host.host_facts import NOT_RUNNING
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.protocols import Fence
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.host import FakeHost
from tests.fakes.lease import FakeKeeper
from tests.flows.domain.samples import manifest
from tests.samples.runs import APP, run_of
from tests.tasks.ledger.samples import bring

PIPELINE = """
pipeline: shop
registry: main
backup: {service: db}
migration: {service: app, command: [migrate]}
environments:
  prod: {hosts: prod, branches: main}
"""
NAME = "sluice-shop-migrate-1"
KNOWN = HostFacts(host="prod", manifest=None, env_file=None, database_running=True, revision="a1")
RUN = ("docker", "compose", "run", "--rm")
WAIT = ("docker", "container", "wait")
REMOVE = ("docker", "container", "rm")


@pytest.fixture
def host() -> FakeHost:
    found = FakeHost("prod")
    found.raise_fence(Fence(APP, 1))
    found.answer("sluice-service", exit_code=NOT_RUNNING)
    found.answer(*RUN)
    found.answer(*REMOVE)
    return found


@pytest.fixture
def run(ledger: Ledger, host: FakeHost) -> Run:
    row = bring(ledger, "two", Status.RUNNING)
    return run_of(
        load_pipeline(PIPELINE),
        hosts={"prod": host},
        ledger=ledger,
        promotion_id=row.id,
        keeper=FakeKeeper(),
    )


def migrated(run: Run, known: HostFacts | None) -> str | None:
    return migrate.fn(run, host="prod", manifest=manifest(), container=NAME, known=known).before


def test_what_is_known_of_the_host_is_not_asked_again(run: Run, host: FakeHost) -> None:
    assert migrated(run, KNOWN) == "a1"
    assert host.argvs(*WAIT) == []
    assert "--no-deps" in host.argvs(*RUN)[0]


def test_a_try_after_a_lost_connection_waits_for_the_one_before(run: Run, host: FakeHost) -> None:
    host.answer(*RUN, error=TransientError("the connection was lost", "try again"), lasts=1)
    host.answer(*WAIT)
    with pytest.raises(TransientError):
        migrated(run, KNOWN)
    # Prefect's retry is given the same facts.
    migrated(run, KNOWN)
    told = [call.argv for call in host.calls if NAME in call.argv or f"--name={NAME}" in call.argv]
    assert [argv[:3] for argv in told[1:3]] == [WAIT, REMOVE]
    assert f"--name={NAME}" in told[3]


def test_what_takes_too_long_leaves_no_container(run: Run, host: FakeHost) -> None:
    host.answer(*RUN, error=TerminalError("it took too long", "look"))
    with pytest.raises(TerminalError, match="took too long"):
        migrated(run, KNOWN)
    assert host.argvs(*REMOVE)[0][-1] == NAME


def test_what_failed_names_where_the_database_stands(run: Run, host: FakeHost) -> None:
    host.answer(*RUN, exit_code=3, stderr="no such table")
    with pytest.raises(TerminalError, match=r"migrate on prod failed with status 3: no such table") as error:
        migrated(run, KNOWN)
    assert "the database is at revision unknown" in error.value.todo
