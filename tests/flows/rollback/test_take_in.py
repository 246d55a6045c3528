"""Rollbacks that were made without the ledger come into it once, with their hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from blocks.values.lifecycle import Kind, Status
from blocks.values.offline import OfflineRollback
from flows.rollback import take_in as taking
from flows.rollback.take_in import take_in
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError, TransientError
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.flows.servers import OLD, make_run, server
from tests.samples.runs import APP
from tests.tasks.ledger.samples import bring, make_release

ENDED = utc_now() - timedelta(minutes=5)


def rollback(name: str = "20261201T030000Z", **changes: Any) -> OfflineRollback:
    values: dict[str, Any] = {
        "id": name,
        "pipeline": "shop",
        "environment": "prod",
        "from_release_id": "bbbb",
        "to_release_id": "aaaa",
        "hosts": ("web-1", "web-2"),
        "who": "ana@laptop",
        "reason": "checkout is down",
        "started_at": ENDED - timedelta(minutes=1),
        "ended_at": ENDED,
        "outcome": Status.SUCCEEDED,
        "message": "aaaa runs in prod",
        "warnings": ("no smoke check",),
        "token": 7,
    }
    return OfflineRollback(**(values | changes))


class Hosts:
    """What two hosts remember of rollbacks.

    Attributes:
        remembered: Host → its rollbacks that were not taken in yet.
        fails: The host whose files cannot be renamed.
    """

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.servers = [server("web-1"), server("web-2")]
        self.run = make_run(ledger, self.servers, Status.SUCCEEDED)
        self.remembered: dict[str, list[OfflineRollback]] = {"web-1": [rollback()], "web-2": [rollback()]}
        self.fails = ""
        for host in self.servers:
            host.files[f"{APP}/releases/aaaa/sluice.manifest.json"] = OLD.to_json().encode()
        monkeypatch.setattr(taking, "read_offline", lambda _, name: tuple(self.remembered[name]))
        monkeypatch.setattr(taking, "mark_recorded", self._mark)

    def _mark(self, _: Run, *, host: str, identifier: str) -> None:
        if host == self.fails:
            raise TransientError(f"{host} does not answer")
        self.remembered[host] = [one for one in self.remembered[host] if one.id != identifier]

    def take_in(self) -> Any:
        return take_in(dict.fromkeys(self.remembered, self.run))

    def holds(self) -> list[tuple[str, str]]:
        return [(one.release_id, one.reason) for one in self.run.ledger.holds.active("shop", "prod")]


@pytest.fixture
def hosts(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    return Hosts(ledger, monkeypatch)


def test_two_hosts_that_remember_the_same_rollback_make_one_row_and_one_hold(hosts: Hosts) -> None:
    (row,) = hosts.take_in()
    assert (row.kind, row.status, row.release_id, row.previous_release_id, row.requested_by) == (
        *(Kind.ROLLBACK, Status.SUCCEEDED, "aaaa", "bbbb"),
        "ana@laptop",
    )
    assert row.message == "aaaa runs in prod; no smoke check"
    assert hosts.holds() == [("bbbb", "checkout is down")]
    assert hosts.remembered == {"web-1": [], "web-2": []}
    # The ledger did not know the release: the host's manifest told it.
    assert hosts.run.ledger.releases.get("aaaa") == OLD.release
    assert hosts.take_in() == ()


def test_one_that_was_cut_before_the_files_were_renamed_makes_no_second_row(hosts: Hosts) -> None:
    hosts.fails = "web-2"
    with pytest.raises(TransientError):
        hosts.take_in()
    hosts.fails = ""
    (row,) = hosts.take_in()
    rows = [one for one in hosts.run.ledger.promotions.history("shop", "prod") if one.kind is Kind.ROLLBACK]
    assert [one.id for one in rows] == [row.id]
    assert hosts.holds() == [("bbbb", "checkout is down")]


def test_they_come_in_the_order_in_which_they_were_made(hosts: Hosts) -> None:
    later = rollback("20261201T040000Z", ended_at=ENDED + timedelta(minutes=2), reason="")
    hosts.remembered = {"web-1": [later], "web-2": [rollback(), later]}
    first, second = hosts.take_in()
    assert (first.cause, second.cause) == ("checkout is down", "")


def test_what_another_application_did_on_the_host_is_not_ours(hosts: Hosts) -> None:
    hosts.remembered = {"web-1": [rollback(environment="staging")], "web-2": [rollback(pipeline="blog")]}
    assert hosts.take_in() == ()


@pytest.mark.parametrize("outcome", [Status.RESTORED, Status.BROKEN, Status.FAILED, Status.ABANDONED])
def test_one_that_did_not_go_back_holds_nothing(hosts: Hosts, outcome: Status) -> None:
    for name in hosts.remembered:
        hosts.remembered[name] = [rollback(outcome=outcome)]
    (row,) = hosts.take_in()
    assert (row.status, hosts.holds()) == (outcome, [])


def test_what_a_person_brought_in_again_since_is_not_held(hosts: Hosts) -> None:
    bring(hosts.run.ledger, "again", seconds=10**8)
    left = make_release("again").id
    for name in hosts.remembered:
        hosts.remembered[name] = [rollback(from_release_id=left)]
    hosts.take_in()
    assert hosts.holds() == []


def test_a_release_that_neither_ledger_nor_host_knows_is_an_error(hosts: Hosts) -> None:
    for name in hosts.remembered:
        hosts.remembered[name] = [rollback(to_release_id="gone")]
    with pytest.raises(TerminalError, match="went back to gone without the ledger"):
        hosts.take_in()
    assert hosts.holds() == []
