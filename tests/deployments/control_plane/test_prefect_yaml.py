"""`prefect.yaml`: what it deploys, and that nothing in it is bound to one machine."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
import yaml
from prefect import Flow

from deployments.control_plane.environment import POOL, PREFECT_FILE
from deployments.control_plane.known_flows import KNOWN_FLOWS

FILE = yaml.safe_load(PREFECT_FILE.read_text())
ENTRIES: list[dict[str, Any]] = FILE["deployments"]
IDS = [f"{entry['entrypoint']}/{entry['name']}" for entry in ENTRIES]


def flow_of(entry: dict[str, Any]) -> Flow[..., Any]:
    module, _, name = entry["entrypoint"].rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, Flow)
    return found


def test_it_deploys_what_the_issue_asks_for() -> None:
    found = {(entry["entrypoint"].rpartition(".")[2], entry["name"]) for entry in ENTRIES}
    environments = ("feature", "staging", "prod")
    assert found == {(flow, name) for flow in ("promote", "rollback") for name in environments} | {
        ("redeploy", "staging"),
        ("drill", "prod"),
        ("reconcile", "all"),
        ("protect", "github"),
        ("relax", "github"),
        ("watch", "all"),
        ("tend", "pull-requests"),
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_an_entry_fits_its_flow(entry: dict[str, Any]) -> None:
    """A parameter the flow does not have would fail each of its runs."""
    flow = flow_of(entry)
    assert flow.name == entry["entrypoint"].rpartition(".")[2]
    assert set(entry["parameters"]) == set(inspect.signature(flow.fn).parameters)
    if "environment" in entry["parameters"]:
        assert entry["parameters"]["environment"] in {entry["name"], ""}
        assert entry["parameters"]["environment"] or entry["name"] == "all"
    flow.validate_parameters(entry["parameters"])


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_an_entry_is_found_in_the_ui(entry: dict[str, Any]) -> None:
    assert f"**{entry['name']}**" in entry["description"]
    assert {"sluice", entry["name"]} <= set(entry["tags"])
    assert entry["work_pool"]["name"] == POOL


def test_nothing_is_pulled_and_nothing_is_bound_to_a_machine() -> None:
    assert FILE["pull"] == []
    assert "/" not in "".join(entry["entrypoint"] for entry in ENTRIES)
    assert all(entry["work_pool"] == {"name": POOL} for entry in ENTRIES)


def test_the_worker_runs_what_is_deployed_here_and_nothing_else() -> None:
    assert {entry["entrypoint"] for entry in ENTRIES} == KNOWN_FLOWS


def test_staging_is_redeployed_every_night() -> None:
    (nightly,) = [entry for entry in ENTRIES if "schedules" in entry and "redeploy" in entry["tags"]]
    assert nightly["schedules"] == [
        {"cron": "30 3 * * *", "timezone": "UTC", "active": True, "slug": "nightly"}
    ]


def test_the_newest_dump_of_prod_is_drilled_every_week() -> None:
    (weekly,) = [entry for entry in ENTRIES if "drill" in entry["tags"]]
    assert weekly["schedules"] == [
        {"cron": "30 4 * * 0", "timezone": "UTC", "active": True, "slug": "weekly"}
    ]
    assert weekly["concurrency_limit"]["limit"] == 1


def test_hosts_and_ledger_are_compared_every_five_minutes() -> None:
    (often,) = [entry for entry in ENTRIES if "reconcile" in entry["tags"]]
    assert often["schedules"][0]["interval"] == 300
    # A run that died with worker and server keeps its place, and this one has to end such runs.
    assert "concurrency_limit" not in often


def test_a_rollback_never_waits_for_a_place() -> None:
    assert not any("concurrency_limit" in entry for entry in ENTRIES if "rollback" in entry["entrypoint"])


def test_rules_are_only_shown_unless_told_otherwise() -> None:
    (protect,) = [entry for entry in ENTRIES if "protect" in entry["tags"]]
    assert protect["parameters"] == {"source": "default", "apply": False, "put_back": False}
    assert "schedules" not in protect
