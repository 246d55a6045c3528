"""Images that are not built here get the digest their tag has, from a real registry."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import cast

import pytest

from tasks.adapters.registry import HttpRegistry
from tasks.images.pin import pin_images
from tasks.steps.run import Run
from tests.lab.lab import Lab

DIGEST = "sha256:" + "a" * 64


@pytest.fixture(scope="module")
def run(lab: Lab) -> Run:
    registry = lab.registry
    client = HttpRegistry(registry.address, registry.username, registry.password, insecure=True)
    return cast("Run", SimpleNamespace(registry=client, registry_prefix=f"{registry.address}/team"))


def test_a_tag_gets_the_digest_its_registry_tells(lab: Lab, run: Run) -> None:
    reference = f"{lab.registry.address}/base/nginx:1.26"
    found = pin_images.fn(run, references=(reference, f"redis@{DIGEST}"))
    digest = run.registry.digest("base/nginx", "1.26")
    assert digest is not None
    assert found == {reference: f"{reference}@{digest}", f"redis@{DIGEST}": f"redis@{DIGEST}"}


def test_a_tag_nobody_tells_about_stays_and_is_named(
    lab: Lab, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    unknown, away = f"{lab.registry.address}/base/nginx:0.1", "registry.invalid/team/app:1"
    with caplog.at_level(logging.WARNING, "sluice"):
        assert pin_images.fn(run, references=(unknown, away)) == {}
    assert f"{unknown} keeps its tag: {lab.registry.address} does not know it" in caplog.text
    assert (
        f"{away} keeps its tag, its digest is not known: registry registry.invalid does not answer"
        in caplog.text
    )
