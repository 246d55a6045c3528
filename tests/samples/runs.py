"""Runs that know no more than a test gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from blocks.pipeline import Pipeline, load_pipeline
from tasks.adapters.local import LocalRunner
from tasks.steps.run import Run
from tests.lab.connect import connect
from tests.lab.server import Server

APP = "/home/deploy/sluice/shop"


def run_of(pipeline: Pipeline, **known: Any) -> Run:
    """Return a run of `prod` that has nothing but what is given."""
    nothing = cast("Any", None)
    rest: dict[str, Any] = {
        "policy": pipeline.policy("prod"),
        "description": pipeline.describe("prod"),
        "hosts": {},
        "directories": dict.fromkeys(known.get("hosts", ()), APP),
        "local": LocalRunner(),
        "ledger": nothing,
        "promotion_id": 0,
        "mirror": nothing,
        "registry": nothing,
        "registry_prefix": "",
        "registry_login": "{}",
        "engine": nothing,
        "work": Path("/nonexistent"),
    }
    return Run(pipeline=pipeline.pipeline, **(rest | known))


def reach(text: str, *servers: Server) -> Run:
    """Return a run of a pipeline's `prod` that reaches servers of the lab."""
    hosts = {one.name: connect(one) for one in servers}
    return run_of(load_pipeline(text, "pipeline.yaml"), hosts=hosts)
