"""A promotion or rollback that fails on one of three hosts: servers in memory, a real ledger, no Prefect."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blocks.values.facts import HostFacts
from blocks.values.lifecycle import Status
from blocks.values.rollback import RollbackStrategy, StrategyKind
from flows.promotion import change as changing
from flows.promotion import fallback
from flows.promotion.change import Change, carry_out, switch
from flows.rollback import execute
from flows.rollback.execute import carry_back
from tasks.kernel.errors import FencedError, TerminalError
from tasks.kernel.protocols import Fence
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.host import FakeHost
from tests.flows.servers import NEW, RUNS, current, failing, make_run, only_for, server, started, stopped
from tests.samples.runs import APP
from tests.tasks.ledger.samples import at

DOWNGRADE = RollbackStrategy(way=StrategyKind.DOWNGRADE, reason="nothing is lost")


def forward(run: Run, change: Change) -> str:
    switch(run, change)
    return "it runs"


@pytest.fixture(autouse=True)
def _no_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are called as what they are: functions with a journal."""
    for module, names in ((changing, ("up", "smoke")), (fallback, ("restore", "verify", "revive", "stop"))):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name).fn)
    monkeypatch.setattr(changing, "_forward", forward)


@pytest.fixture
def hosts() -> list[FakeHost]:
    found = [server("web-1"), server("web-2"), server("web-3")]
    for host in found:
        host.raise_fence(Fence(APP, 1))
        host.links[f"{APP}/current"] = "releases/aaaa"
    return found


def change_on(hosts: list[FakeHost], before: HostFacts = RUNS) -> Change:
    return Change(
        release=NEW.release,
        manifests=dict.fromkeys((host.name for host in hosts), NEW),
        bundle=None,
        hosts=dict.fromkeys((host.name for host in hosts), before),
        backup=False,
        migrates=False,
        checkout=None,
    )


def ended(run: Run, act: Callable[[], Status]) -> tuple[Status, str]:
    status = act()
    row = run.ledger.promotions.get(run.promotion_id)
    assert row is not None
    assert row.status is status
    return status, row.message


def test_every_host_is_started_again_though_the_first_does_not_come_back(
    ledger: Ledger, hosts: list[FakeHost]
) -> None:
    run = make_run(ledger, hosts)
    only_for(hosts[2], "bbbb", failing)
    only_for(hosts[0], "aaaa", failing)
    status, message = ended(run, lambda: carry_out(run, change_on(hosts)))
    rows = [row.host for row in ledger.steps.of(run.promotion_id) if row.name == "restore"]
    assert (status, rows) == (Status.BROKEN, ["web-1", "web-2", "web-3"])
    assert current(hosts) == ["releases/aaaa"] * 3
    assert "then restoring failed on web-1: up: aaaa does not start on web-1" in message


def test_a_promotion_that_fails_on_one_host_is_restored_on_all(ledger: Ledger, hosts: list[FakeHost]) -> None:
    run = make_run(ledger, hosts)
    only_for(hosts[1], "bbbb", failing)
    status, message = ended(run, lambda: carry_out(run, change_on(hosts)))
    assert (status, current(hosts)) == (Status.RESTORED, ["releases/aaaa"] * 3)
    assert message.startswith("up: bbbb does not start on web-2")


def test_a_promotion_whose_lease_is_lost_on_the_way_back_is_abandoned(
    ledger: Ledger, hosts: list[FakeHost]
) -> None:
    run = make_run(ledger, hosts)
    only_for(hosts[2], "bbbb", failing)
    only_for(hosts[0], "aaaa", lambda _: hosts[1].raise_fence(Fence(APP, 2)))
    status, message = ended(run, lambda: carry_out(run, change_on(hosts)))
    assert status is Status.ABANDONED
    assert "; then token 1 is not the one that stands" in message
    assert current(hosts) == ["releases/aaaa", "releases/bbbb", "releases/bbbb"]


def test_a_first_promotion_that_fails_is_stopped_everywhere(ledger: Ledger, hosts: list[FakeHost]) -> None:
    run = make_run(ledger, hosts)
    for host in hosts:
        host.answer("docker", "compose", "stop")
        host.answer("rm", "-f", f"{APP}/current")
    only_for(hosts[1], "bbbb", failing)
    nothing = RUNS.model_copy(update={"manifest": None, "containers": ()})
    status, message = ended(run, lambda: carry_out(run, change_on(hosts, nothing)))
    assert status is Status.FAILED
    assert "nothing ran before" in message
    assert [len(host.argvs("docker", "compose", "stop")) for host in hosts] == [1, 1, 1]


def rolled_back(
    monkeypatch: pytest.MonkeyPatch, run: Run, hosts: list[FakeHost], error: Exception, *, paused: bool
) -> tuple[Status, str, list[str]]:
    """Let a rollback that takes the database along fail before or after it stopped services."""
    done: list[str] = []

    def forward(*_: object) -> str:
        if paused:
            run.ledger.steps.start(run.promotion_id, "pause", "web-1", now=at(9))
        raise error

    monkeypatch.setattr(execute, "_forward", forward)
    monkeypatch.setattr(execute, "put_database_back", lambda *_, **__: done.append("put back"))
    monkeypatch.setattr(execute, "drop_kept", lambda *_, **__: done.append("drop"))
    return *ended(run, lambda: carry_back(run, change_on(hosts), DOWNGRADE)), done


def test_a_rollback_that_fails_before_it_stops_anything_starts_what_an_engine_took_with_it(
    ledger: Ledger, hosts: list[FakeHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ledger, hosts)
    stopped(hosts[1])
    status, message, done = rolled_back(monkeypatch, run, hosts, TerminalError("red"), paused=False)
    assert (status, message) == (Status.FAILED, "red (backend had stopped on web-2 and were started again)")
    assert [len(started(host)) for host in hosts] == [0, 1, 0]
    assert done == ["drop"]


def test_a_rollback_that_fails_later_puts_the_database_back_and_tries_every_host(
    ledger: Ledger, hosts: list[FakeHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ledger, hosts)
    only_for(hosts[0], "aaaa", failing)
    status, message, done = rolled_back(monkeypatch, run, hosts, KeyError("x"), paused=True)
    assert (status, done) == (Status.BROKEN, ["put back"])
    assert message.startswith("unexpected KeyError: 'x'")
    assert "then restoring failed on web-1" in message
    assert [len(started(host)) for host in hosts] == [0, 1, 1]


def test_a_rollback_whose_database_cannot_be_put_back_starts_nothing_on_it(
    ledger: Ledger, hosts: list[FakeHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ledger, hosts)

    def refuse(*_: object, **__: object) -> None:
        raise TerminalError("put back: no")

    monkeypatch.setattr(execute.DatabaseFallback, "prepare", refuse)
    status, message, _ = rolled_back(monkeypatch, run, hosts, TerminalError("red"), paused=True)
    assert (status, message) == (Status.BROKEN, "red; then restoring failed on every host: put back: no")
    assert [started(host) for host in hosts] == [[], [], []]


def test_a_rollback_that_is_fenced_off_leaves_database_and_hosts(
    ledger: Ledger, hosts: list[FakeHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ledger, hosts)
    assert rolled_back(monkeypatch, run, hosts, FencedError("taken"), paused=True) == (
        Status.ABANDONED,
        "taken",
        [],
    )
