"""A command that a host ended before its end (out of memory, say) has told nothing, and decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from blocks.pipeline import load_pipeline
from blocks.values.facts import ContainerFact
from blocks.values.release_data import MountFact
from tasks.kernel.errors import TerminalError
from tasks.release_data.carry import writers
from tasks.release_data.read import read_data
from tasks.steps.run import Run
from tasks.targets.compose.old_releases import prune_releases
from tests.fakes.host import FakeHost
from tests.flows.domain.samples import manifest
from tests.samples.runs import run_of
from tests.tasks.commits import PIPELINE

APP = "/home/deploy/sluice/shop"
WEB = ContainerFact(
    id="a" * 64,
    service="web",
    image="x",
    status="running",
    mounts=(MountFact(target="/data", source=f"{APP}/current/data"),),
)


def read(run: Run) -> object:
    return read_data(run.app("prod"), manifest(services=("web",)), (WEB,))


ASKED: dict[str, Callable[[Run], object]] = {
    "sluice-inside": lambda run: writers(run.app("prod"), (WEB,)),
    "sluice-unsettled": lambda run: prune_releases(run.app("prod"), ("kept",)),
    "sluice-look": read,
}


@pytest.mark.parametrize("name", ASKED)
def test_a_command_that_was_ended_decides_nothing(name: str) -> None:
    """Before, nobody wrote, nothing was held, and no data was there."""
    host = FakeHost("prod")
    host.answer(name, exit_code=137)
    host.answer("stat", exit_code=1)
    host.answer("sluice-shape", stdout="{}")
    host.answer("sluice-running")
    host.answer("sluice-prune")
    run = run_of(load_pipeline(PIPELINE, "pipeline.yaml"), hosts={"prod": host})
    run = replace(run, directories={"prod": APP}, keeper=cast("Any", None))
    with pytest.raises(TerminalError, match=f"{name} .*on prod ended with status 137"):
        ASKED[name](run)
