"""Which places of a running release are looked at for what an application wrote."""

from __future__ import annotations

import json

from tasks.release_data.read import read_data
from tests.fakes.host import FakeHost
from tests.flows.rollback.test_offline_hosts import prepared
from tests.flows.servers import NEW
from tests.samples.runs import APP

CURRENT = f"{APP}/current"


def test_where_compose_cannot_read_the_release_all_of_it_is_looked_at() -> None:
    host = FakeHost("web-1")
    host.answer("sluice-running")
    host.answer("sluice-shape", exit_code=1, stderr="required variable A is missing a value")
    listing = f"R {APP}/releases/bbbb\nC 1\nS {CURRENT}\nP .\nF ./exports/orders.csv\nE\n"
    host.answer("sluice-look", stdout=listing)
    data = read_data(prepared([host]).site.app("web-1"), NEW, ())
    assert data is not None
    assert data.added == ("exports/",)


def test_who_runs_beside_the_services_is_looked_at_where_it_has_a_release_mounted() -> None:
    host = FakeHost("web-1")
    mounts = [
        {"Type": "bind", "Source": source, "Destination": source, "RW": True}
        for source in (f"{CURRENT}/data", f"{APP}/shared/x", "/", f"{APP}/releases")
    ]
    state = {"Status": "running", "StartedAt": "2026-11-21T05:33:00Z"}
    entry = {"Id": "1", "Name": "/by-hand", "Config": {"Labels": None}, "State": state, "Mounts": mounts}
    agent = entry | {"Name": "/agent", "Mounts": mounts[2:]}
    host.answer("sluice-running", stdout=f"{json.dumps(entry)}\n{json.dumps(agent)}\n")
    host.answer("sluice-shape", stdout="{}")
    host.answer("sluice-look", stdout=f"R {APP}/releases/bbbb\nC 1\nS {CURRENT}/data\nP ./data\nE\n")
    data = read_data(prepared([host]).site.app("web-1"), NEW, ())
    assert host.calls[-1].argv[-2:] == (CURRENT, f"{CURRENT}/data")
    assert data is not None
    assert [one.service for one in data.beside] == ["by-hand"]
